"""Soft shadows from one direction: occluders splatted into a small map of exponentials seen from the light, blurred, and looked up.

Exponential shadow maps (Annen and others, 2008): light that reaches a point = exp(k · height of the point) / blurred exp(k · height of the
highest occluder), at most 1. Thin hair in front dims a little, a nose or a hat fully.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cddfm.head.build import Head
from cddfm.world.vectors import cross, dot, of_each, unit
from cuda_ops.rasterize import rasterize

SIZE = 56
REACH = 19.0
HIGHEST = 26.0
MIDDLE = (0.0, -3.0, -6.0)


@dataclass(frozen=True)
class LightMap:
    """axes: right, up and towards the light, of each image. values: blurred exp(falloff · height)."""

    axes: Float[Tensor, "3 3 batch"]
    values: Float[Tensor, "batch texels"]
    falloff: float


def light_map(
    occluders: Float[Tensor, "3 batch points"],
    towards: Float[Tensor, "batch 3"],
    falloff: float,
    shown: Bool[Tensor, "batch points"] | None = None,
) -> LightMap:
    """The map of a distant light in direction `towards`. falloff: per cm; the smaller, the softer and the more leaks."""
    forward = towards.t().contiguous()
    helper = torch.tensor([0.0, 0.3, -1.0], device=forward.device)[:, None].expand_as(forward)
    right = unit(cross(helper, forward))
    axes = torch.stack([right, cross(forward, right), forward])
    u, v, height = _coordinates(axes, occluders)
    column, row = (u * SIZE).floor().clamp(0, SIZE - 1), (v * SIZE).floor().clamp(0, SIZE - 1)
    # What is not worn stands far away and casts no shadow.
    near = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1) & (height < HIGHEST)
    height = torch.where(near if shown is None else near & shown, height, -40.0)
    batch = len(towards)
    texel = (torch.arange(batch, device=u.device)[:, None] * SIZE * SIZE + (row * SIZE + column).long()).flatten()
    highest = torch.full((batch * SIZE * SIZE,), -40.0, device=u.device)
    highest = highest.scatter_reduce(0, texel, height.flatten(), "amax").view(batch, 1, SIZE, SIZE)
    filled = functional.max_pool2d(highest, 3, stride=1, padding=1)
    highest = torch.where(highest > filled - 4.0, highest, filled)
    values = (falloff * highest.clamp(min=-25.0)).exp()
    for _ in range(2):
        values = functional.avg_pool2d(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return LightMap(axes, values.flatten(1), falloff)


def light_at(
    light: LightMap, points: Float[Tensor, "3 batch *points"], bias: float | Tensor, image: Tensor | None = None
) -> Float[Tensor, "batch *points"]:
    """Share of the light that arrives, 0 to 1. bias: cm by which points are lifted towards the light. image: of each point, where points
    [3, pixels] belong to mixed images."""
    axes = light.axes if image is None else of_each(light.axes, image)
    u, v, height = _coordinates(axes, points)
    x, y = (u * SIZE - 0.5).clamp(0, SIZE - 1.001), (v * SIZE - 0.5).clamp(0, SIZE - 1.001)
    column, row = x.floor(), y.floor()
    x, y = x - column, y - row
    start = image if image is not None else torch.arange(points.shape[1], device=points.device).view(-1, *[1] * (points.dim() - 2))
    texel = start * SIZE * SIZE + (row * SIZE + column).long()
    flat = light.values.flatten()

    def read(offset: int) -> Tensor:
        return flat.index_select(0, (texel + offset).flatten()).view(texel.shape)

    above = read(0) + x * (read(1) - read(0))
    below = read(SIZE) + x * (read(SIZE + 1) - read(SIZE))
    return ((light.falloff * (height + bias).clamp(max=HIGHEST)).exp() / (above + y * (below - above)).clamp(min=1e-12)).clamp(max=1.0)


def _coordinates(axes: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """u, v in [0, 1] over the map, and height towards the light (cm)."""
    spread = [1] * (points.dim() - axes.dim() + 1)
    middle = torch.tensor(MIDDLE, device=points.device).view(3, *[1] * (points.dim() - 1))
    offset = points - middle
    right, up, forward = (axis.reshape(3, -1, *spread) for axis in axes)
    return dot(offset, right) / (2 * REACH) + 0.5, dot(offset, up) / (2 * REACH) + 0.5, dot(offset, forward)


def ambient_occlusion(head: Head, torso: Float[Tensor, "torso 3"], torso_triangles: Tensor, normals: Float[Tensor, "vertices 3"]) -> Tensor:
    """Share of an overcast sky that each vertex of the mean head sees, cosine-weighted, with shoulders: from depth maps of many
    directions."""
    points = torch.cat([head.model.mean, torso])
    count = len(head.model.mean)
    triangles = torch.cat([head.model.triangles, torso_triangles + count])
    views, size = 64, 160
    number = torch.arange(views) + 0.5
    z = 1 - 2 * number / views
    around = number * (math.pi * (3 - math.sqrt(5)))
    directions = torch.stack([(1 - z * z).sqrt() * around.cos(), (1 - z * z).sqrt() * around.sin(), z], dim=-1)
    seen, weight = torch.zeros(count), torch.zeros(count)
    for direction in directions:
        helper = torch.tensor([0.0, 1.0, 0.1]) if abs(float(direction[1])) < 0.9 else torch.tensor([1.0, 0.0, 0.0])
        right = functional.normalize(torch.linalg.cross(helper, direction), dim=0)
        frame = torch.stack([right, torch.linalg.cross(direction, right), direction])
        local = (points - torch.tensor(MIDDLE)) @ frame.t()
        screen = torch.stack([local[:, 0] / 26, local[:, 1] / 26, 1000 - local[:, 2]], dim=-1)
        depth = rasterize(screen[None], triangles, size).depth[0]
        screen = screen[:count]
        column = ((screen[:, 0] + 1) * size / 2).long().clamp(0, size - 1)
        row = ((1 - screen[:, 1]) * size / 2).long().clamp(0, size - 1)
        cosine = (normals @ direction).clamp(min=0)
        front = depth[row, column]
        open_sky = (front == 0) | (screen[:, 2] < front + 0.30 + 0.25 * (1 - cosine))
        # Light from above and in front counts more than from below.
        share = cosine * (0.75 + 0.45 * direction[1] + 0.25 * direction[2]).clamp(min=0.2)
        seen, weight = seen + share * open_sky, weight + share
    return seen / weight.clamp(min=1e-6)
