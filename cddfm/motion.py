"""Where what a picture shows of a head lay before the head changed: the flow that a morphable model foretells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera, place
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.planes import centres, resized, smooth
from cddfm.render import seen_points
from cuda_ops.rasterize import interpolate, rasterize

SPREADS = 1 / 16, 1 / 64
"""Shares of the picture's side over which what lies beside the head, its hair above all, moves along: as the next of the head where some of
it is near, else as more of it."""

TEARLESS = 1 / 128
"""Share of the side over which motions are averaged, so that nothing is torn where the head's outline passes over what lies behind."""

FAR = 0.02
"""Share of head in a neighbourhood that counts as much as what a wider one says, and beyond the widest as what does not move."""


@dataclass(frozen=True)
class Motion:
    """back: from where each pixel is to where what it shows was before, as `grid_sample` counts (x right, y down; the picture is 2 wide).
    head: 1 where the model's surface is seen afterwards, 0 elsewhere. seen: 0 where that surface was hidden before, 1 elsewhere."""

    back: Float[Tensor, "batch 2 side side"]
    head: Float[Tensor, "batch 1 side side"]
    seen: Float[Tensor, "batch 1 side side"]

    def carry(self, planes: Float[Tensor, "batch planes height height"]) -> Float[Tensor, "batch planes height height"]:
        """Pictures of any resolution with everything where it is after the motion; bicubic. What does not move is left alone."""
        if not self.back.any():
            return planes
        height = planes.shape[-1]
        grid = _centres(height, planes) + resized(self.back, height).permute(0, 2, 3, 1)
        return functional.grid_sample(planes, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


@torch.no_grad()
def head_motion(model: MorphableModel, before: FaceParams, after: FaceParams, side: int) -> Motion:
    """Of every point of the model's surface that is seen afterwards; what lies beside the head follows it, less the farther it lies."""
    camera = Camera()
    was, now = (_placed(model, params) for params in (before, after))
    earlier, fragments = (rasterize(camera.project(points), model.triangles, side, cull=True) for points in (was, now))
    head = (fragments.face >= 0).to(was.dtype).unsqueeze(1)
    source, target = (camera.project(interpolate(points, model.triangles, fragments).flatten(1, 2)) for points in (was, now))
    seen = seen_points(source, earlier.depth).unflatten(1, (side, side)).unsqueeze(1)
    step = (source - target)[..., :2] * was.new_tensor([1.0, -1.0])
    back = step.unflatten(1, (side, side)).permute(0, 3, 1, 2) * head
    beside = torch.zeros_like(back)
    for spread in SPREADS:
        beside = (smooth(back, spread * side) + FAR * beside) / (smooth(head, spread * side) + FAR)
    back = smooth(torch.where(head > 0, back, beside), TEARLESS * side)
    return Motion(back, head, torch.where(head > 0, seen.to(head.dtype), torch.ones_like(head)))


def _placed(model: MorphableModel, params: FaceParams) -> Float[Tensor, "batch vertices 3"]:
    return place(model.vertices(params.identity, params.expression), params.pose, params.translation, model.pivot)


def _centres(side: int, like: Tensor) -> Float[Tensor, "side side 2"]:
    """Of the pixels, (x right, y down)."""
    axis = centres(side, like)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
