"""Beards: short hairs whose roots sit on the face's triangles and follow every expression; one path per hair."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.morphable import MorphableModel
from cddfm.world.vectors import dot, ramp, scatter_numbers, turned, unit

HAIRS = 2400
POINTS = 5
SEGMENTS = POINTS - 1

BEARDS = {
    # share; how densely moustache, chin, jaw and throat grow; length in cm; how far it hangs instead of lying
    "none": (0.42, (0.0, 0.0, 0.0, 0.0), 0.1, 0.0),
    "shadow": (0.10, (0.5, 0.5, 0.45, 0.4), 0.16, 0.0),
    "stubble": (0.14, (0.9, 0.9, 0.8, 0.5), 0.30, 0.0),
    "moustache": (0.05, (1.0, 0.0, 0.0, 0.0), 0.85, 0.1),
    "goatee": (0.05, (0.9, 1.0, 0.0, 0.0), 0.80, 0.2),
    "chin": (0.02, (0.0, 1.0, 0.0, 0.0), 1.10, 0.4),
    "short": (0.12, (1.0, 1.0, 1.0, 0.5), 0.75, 0.1),
    "full": (0.07, (1.0, 1.0, 1.0, 0.8), 1.70, 0.5),
    "long": (0.03, (1.0, 1.0, 1.0, 0.9), 4.20, 0.9),
}


@dataclass(frozen=True)
class Whiskers:
    """A batch of beards: density by zone (moustache, chin, jaw, throat), length and hang of `BEARDS`, colours (linear RGB) of
    beard and brows."""

    zones: Float[Tensor, "batch 4"]
    extent: Float[Tensor, batch]
    hang: Float[Tensor, batch]
    phase: Float[Tensor, batch]
    beard_colour: Float[Tensor, "batch 3"]
    brow_colour: Float[Tensor, "batch 3"]


@dataclass(frozen=True)
class Follicles:
    """Roots: three vertices and weights each; how much they belong to each zone; directions of growth on the mean head."""

    corners: Int[Tensor, "hairs 3"]
    weights: Float[Tensor, "hairs 3"]
    zones: Float[Tensor, "hairs 4"]
    flow: Float[Tensor, "3 hairs"]


def make_follicles(model: MorphableModel, surface: Bool[Tensor, vertices]) -> Follicles:
    """Roots spread evenly over the beard's ground on the usable surface of the mean head."""
    usable = surface[model.triangles].all(1) & (model.mean[model.triangles][:, :, 2].mean(1) > -7.5)
    triangles = model.triangles[usable]
    corners, weights = _spread(model, triangles, zones_of(model, model.mean[triangles].mean(1)).amax(1))
    mean = (model.mean[corners] * weights.unsqueeze(-1)).sum(1)
    return Follicles(corners, weights, zones_of(model, mean), _flow(model, mean))


def zones_of(model: MorphableModel, place: Float[Tensor, "points 3"]) -> Float[Tensor, "points 4"]:
    """How much places of the mean head belong to moustache, chin, jaw and throat."""
    marks = model.mean[model.landmarks]
    x, y, z = place.unbind(-1)
    side = x.abs()
    nose, upper, lower, chin = (float(marks[number, 1]) for number in (33, 51, 57, 8))
    corner = float(marks[54, 0])
    lip_line = upper - 0.10 - 0.95 * (side / corner).clamp(max=1.15) ** 2
    moustache = ramp(nose - 0.25 - y, 0.0, 0.3) * ramp(y - lip_line, 0.0, 0.22) * ramp(corner + 0.7 - side, 0.0, 0.5) * ramp(z, -1.5, 0.0)
    droop = (
        ramp(side, corner - 0.2, corner + 0.3) * ramp(corner + 1.0 - side, 0.0, 0.4) * ramp(upper - 0.3 - y, 0.0, 0.5) * ramp(z, -2.5, -1.0)
    )
    under_lip = ramp(lower - 0.30 + 0.5 * (side / corner).clamp(max=1.2) ** 2 - y, 0.0, 0.3)
    strip = torch.maximum(ramp(1.1 - side, 0.0, 0.4), ramp(lower - 1.2 - y, 0.0, 0.5))
    chin_zone = under_lip * strip * ramp(corner + 0.5 - side, 0.0, 0.8) * ramp(y - chin, -1.2, -0.3) * ramp(z, -3.0, -1.0)
    cheek_line = -4.6 - 2.4 * ramp(6.6 - side, 0.0, 3.4)
    jaw = ramp(cheek_line - y, 0.0, 0.9) * ramp(side, 1.5, 3.2) * ramp(y - chin, -1.5, 0.2) * ramp(z, -6.4, -5.4) * under_lip
    burn = ramp(side, 6.2, 6.8) * ramp(1.2 - y, 0.0, 1.0) * ramp(z, -6.2, -5.6) * ramp(-3.9 - z, 0.0, 1.0)
    throat = ramp(chin - y, -0.3, 0.6) * ramp(y - chin, -3.2, -1.6) * ramp(z, -6.5, -4.5)
    return torch.stack([torch.maximum(moustache, droop), chin_zone, torch.maximum(jaw, burn), throat], dim=-1)


def _spread(model: MorphableModel, triangles: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Points on triangles, as many as area times weight asks for."""
    a, b, c = model.mean[triangles].unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1).double() * weight.double()
    place = (torch.arange(HAIRS).double() + 0.5) / HAIRS * area.sum()
    chosen = torch.searchsorted(area.cumsum(0), place).clamp(max=len(triangles) - 1)
    u, v = scatter_numbers(HAIRS, 1), scatter_numbers(HAIRS, 51)
    flipped = u + v > 1
    u, v = torch.where(flipped, 1 - u, u), torch.where(flipped, 1 - v, v)
    return triangles[chosen], torch.stack([1 - u - v, u, v], dim=-1)


def _flow(model: MorphableModel, mean: Float[Tensor, "hairs 3"]) -> Float[Tensor, "3 hairs"]:
    """Down and a little forward; the moustache to the sides."""
    marks = model.mean[model.landmarks]
    x, y, z = mean.unbind(-1)
    side = torch.where(x < 0, -1.0, 1.0)
    beard = torch.stack([0.15 * x, -1 + 0 * y, 0.12 + 0 * z])
    return unit(beard + torch.stack([side * 1.1, 0.35 + 0 * y, 0 * z]) * ((y > marks[51, 1] - 0.7) & (z > 0)).float())


def grow_whiskers(
    whiskers: Whiskers,
    follicles: Follicles,
    posed: Float[Tensor, "batch vertices 3"],
    normals: Float[Tensor, "batch vertices 3"],
    rotation: Float[Tensor, "batch 3 3"],
) -> tuple[Float[Tensor, "3 batch hairs points"], Bool[Tensor, "batch hairs"]]:
    """Paths in the world's frame and which of them grow."""
    batch = len(posed)

    def at_roots(values: Tensor) -> Float[Tensor, "3 batch hairs"]:
        corner = values.index_select(1, follicles.corners.flatten()).unflatten(1, (-1, 3))
        mixed = corner[:, :, 0] * follicles.weights[:, :1] + corner[:, :, 1] * follicles.weights[:, 1:2]
        return (mixed + corner[:, :, 2] * follicles.weights[:, 2:]).permute(2, 0, 1).contiguous()

    root, outward = at_roots(posed), unit(at_roots(normals))
    flow = turned(follicles.flow.unsqueeze(1).expand(-1, batch, -1), rotation)
    device = posed.device
    noise = torch.stack([scatter_numbers(HAIRS, 20 + axis).to(device) * 2 - 1 for axis in range(3)]).unsqueeze(1)
    flat = unit(flow - outward * dot(flow, outward))
    ragged = (0.7 + 0.6 * scatter_numbers(HAIRS, 31)).to(device)
    zones = follicles.zones.t()
    goal = (zones[1] + 0.5 * zones[2]).clamp(max=1)
    extent = whiskers.extent[:, None] * (0.55 + 0.45 * goal) * ragged
    hang = whiskers.hang[:, None]
    down = torch.stack([0 * root[0], 0 * root[0] - 1, 0 * root[0] + 0.15])
    path, place = [root + 0.02 * outward], root + 0.02 * outward
    for number in range(1, POINTS):
        stage = number / SEGMENTS
        heading = unit(flat + outward * (0.30 - 0.18 * stage) + noise * 0.32 + down * hang * stage)
        place = place + heading * (extent / SEGMENTS)
        path.append(place)
    chance = torch.remainder(scatter_numbers(HAIRS, 40).to(device) + whiskers.phase[:, None], 1.0)
    dense = (whiskers.zones.t().unsqueeze(-1) * zones.unsqueeze(1)).amax(0)
    return torch.stack(path, dim=-1), chance < 1.4 * dense - 0.15
