"""Samples laid out as a picture: what the drawn styles need to find edges, and the way down to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from cddfm.world.assets import COLLAR, EYE, FRAME, HAT, MOUTH, SKIN, TEETH, TORSO
from cddfm.world.surface import Solid, Strands

REGION_HAIR, REGION_BEARD = 20, 1


@dataclass(frozen=True)
class Canvas:
    """colour: linear RGB, 0 where empty. region: −1 where empty, equal where no line belongs between neighbours. lock: of each hair sample.
    normal: zero where empty. depth: cm, 0 where empty."""

    colour: Float[Tensor, "batch 3 height width"]
    cover: Float[Tensor, "batch 1 height width"]
    skin: Float[Tensor, "batch 1 height width"]
    region: Float[Tensor, "batch 1 height width"]
    lock: Float[Tensor, "batch 1 height width"]
    normal: Float[Tensor, "batch 3 height width"]
    depth: Float[Tensor, "batch 1 height width"]


def empty_depth(solid: Solid, batch: int, size: int) -> Float[Tensor, "batch height width"]:
    depth = torch.zeros(batch * size * size, device=solid.depth.device)
    depth.scatter_(0, (solid.image * size + solid.row) * size + solid.column, solid.depth)
    return depth.view(batch, size, size)


def put(planes: Float[Tensor, "channels samples"], spot: Int[Tensor, pixels], values: Float[Tensor, "channels pixels"]) -> None:
    """Write pixels to their places in all planes."""
    planes.scatter_(1, spot.expand(len(values), -1), values)


def shrink(samples: Float[Tensor, "batch channels height width"], factor: int) -> Float[Tensor, "batch channels rows columns"]:
    """Means of squares of factor² samples."""
    if factor != 2:
        return functional.avg_pool2d(samples, factor)
    upper, lower = samples[..., ::2, :], samples[..., 1::2, :]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]).mul_(0.25)


def lay_out(
    solid: Solid,
    colour: Float[Tensor, "3 pixels"],
    strands: Strands,
    strand_colour: Float[Tensor, "3 hairs"],
    strand_normal: Float[Tensor, "3 hairs"],
    batch: int,
    size: int,
) -> Canvas:
    """Solid samples, then the hair before them."""
    planes = torch.zeros(11, batch * size * size, device=colour.device)
    planes[5] = -1.0
    spot = (solid.image * size + solid.row) * size + solid.column
    one = torch.ones_like(solid.depth)
    skin = torch.zeros_like(one)
    skin[solid.of(SKIN)] = 1.0
    put(planes, spot, torch.cat([colour, one[None], skin[None], regions(solid)[None], 0 * one[None], solid.normal, solid.depth[None]]))
    spot = (strands.image * size + strands.row) * size + strands.column
    region = torch.where(strands.kind == 0, REGION_HAIR, REGION_BEARD).float()
    kept = planes[4].index_select(0, spot) * (strands.kind > 0).float()
    one = torch.ones_like(strands.depth)
    lock = torch.where(strands.kind == 0, strands.lock, 0 * one)
    put(planes, spot, torch.cat([strand_colour, one[None], kept[None], region[None], lock[None], strand_normal, strands.depth[None]]))
    layers = planes.view(11, batch, size, size).transpose(0, 1)
    return Canvas(layers[:, :3], layers[:, 3:4], layers[:, 4:5], layers[:, 5:6], layers[:, 6:7], layers[:, 7:10], layers[:, 10:11])


def regions(solid: Solid) -> Float[Tensor, pixels]:
    """Parts between which a draughtsman would draw a line."""
    region = torch.ones_like(solid.depth)
    for part, number in ((EYE, 5), (TEETH, 6), (MOUTH, 7), (TORSO, 10), (COLLAR, 11), (HAT, 12), (FRAME, 13)):
        region[solid.of(part)] = number
    return region


def lines(canvas: Canvas, jump: float = 1.4, crease: float = 1.1, locks: bool = True) -> Float[Tensor, "batch 1 height width"]:
    """1 where the region, the depth (by `jump` cm), the normal (by `crease`) or the lock changes."""
    depth = torch.where(canvas.region >= 0, canvas.depth, 140.0)
    edge = (_spread(canvas.region) > 0) | (_spread(depth) > jump)
    hair = canvas.region == REGION_HAIR
    bent = (_spread(canvas.normal).sum(1, keepdim=True) > crease) & ~hair & (canvas.region != 5)
    edge = edge | bent
    if locks:
        edge = edge | (hair & (_spread(canvas.lock) > 0) & (_spread(depth) > 0.8))
    return edge.float()


def thicken(line: Float[Tensor, "batch 1 height width"], pixels: int) -> Float[Tensor, "batch 1 height width"]:
    """Lines this many samples wide."""
    if pixels <= 1:
        return line
    return functional.max_pool2d(functional.pad(line, ((pixels - 1) // 2, pixels // 2, (pixels - 1) // 2, pixels // 2)), pixels, stride=1)


def lock_normal(strands: Strands) -> Float[Tensor, "3 hairs"]:
    """Of locks drawn as round rolls: across the roll from the mass's normal to the side."""
    x, y, _ = strands.tangent
    length = torch.hypot(x, y).clamp(min=1e-4)
    side = torch.stack([y / length, -x / length, torch.zeros_like(x)])
    bulge = (1 - strands.across**2).clamp(min=0).sqrt()
    normal = strands.mass * (0.35 + 0.65 * bulge) + side * (0.8 * strands.across)
    return normal / (normal * normal).sum(0).clamp(min=1e-9).sqrt()


def _spread(values: Float[Tensor, "batch channels height width"]) -> Tensor:
    """Largest minus smallest value in a 2 × 2 neighbourhood."""
    highest = lowest = functional.pad(values, (0, 1, 0, 1), mode="replicate")
    highest = torch.maximum(highest[..., 1:], highest[..., :-1])
    lowest = torch.minimum(lowest[..., 1:], lowest[..., :-1])
    return torch.maximum(highest[..., 1:, :], highest[..., :-1, :]) - torch.minimum(lowest[..., 1:, :], lowest[..., :-1, :])


def is_region(canvas: Canvas, number: int) -> Bool[Tensor, "batch 1 height width"]:
    return canvas.region == number
