"""Glasses and earrings: frames of bent rod, lenses, temples, and rings in the ears' lobes. Centimetres, the head's frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

STATIONS = 28
_SECTION = ((-1.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
BAR_POINTS = 8
RING_STATIONS, RING_SIDES = 14, 6
FRAME_POINTS = 2 * STATIONS * 4 + 3 * BAR_POINTS
LENS_POINTS = 2 * (STATIONS + 1)
EARRING_POINTS = 2 * RING_STATIONS * RING_SIDES
HIDDEN = -1e4


@dataclass(frozen=True)
class Spectacles:
    """worn: 0 or 1. roundness 0 (box) to 1 (circle). size about 1. bold: thickness 0 to 1. height: of the lens over its width. frame:
    linear RGB. tint: light that the lenses let through. shine: of the lenses' reflection."""

    worn: Float[Tensor, batch]
    roundness: Float[Tensor, batch]
    size: Float[Tensor, batch]
    bold: Float[Tensor, batch]
    height: Float[Tensor, batch]
    frame: Float[Tensor, "batch 3"]
    tint: Float[Tensor, "batch 3"]
    shine: Float[Tensor, batch]


@dataclass(frozen=True)
class Earrings:
    """worn: 0 or 1. hoop: radius of the ring (cm; 0 makes a stud). colour: linear RGB."""

    worn: Float[Tensor, batch]
    hoop: Float[Tensor, batch]
    bead: Float[Tensor, batch]
    colour: Float[Tensor, "batch 3"]


def _tube(stations: int, sides: int, start: int) -> Int[Tensor, "triangles 3"]:
    station = torch.arange(stations).repeat_interleave(sides)
    side = torch.arange(sides).repeat(stations)
    ahead, beside = (station + 1) % stations, (side + 1) % sides
    a, b = start + station * sides + side, start + ahead * sides + side
    c, d = start + station * sides + beside, start + ahead * sides + beside
    return torch.cat([torch.stack([a, c, b], -1), torch.stack([b, c, d], -1)])


def frame_triangles() -> Int[Tensor, "triangles 3"]:
    """Rims and bars; both windings, for the outline is traversed in opposite senses and rods are seen from everywhere."""
    faces = [_tube(STATIONS, 4, rim * STATIONS * 4) for rim in range(2)]
    box = torch.tensor([[0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]])
    faces += [box + 2 * STATIONS * 4 + BAR_POINTS * bar for bar in range(3)]
    once = torch.cat(faces)
    return torch.cat([once, once.flip(1)])


def lens_triangles() -> Int[Tensor, "triangles 3"]:
    station = torch.arange(STATIONS)
    fans = []
    for rim in range(2):
        start = rim * (STATIONS + 1)
        fans.append(torch.stack([torch.full_like(station, start), start + 1 + station, start + 1 + (station + 1) % STATIONS], -1))
    return torch.cat(fans)


def earring_triangles() -> Int[Tensor, "triangles 3"]:
    return torch.cat([_tube(RING_STATIONS, RING_SIDES, ear * RING_STATIONS * RING_SIDES) for ear in range(2)]).flip(1)


def spectacles_points(
    glasses: Spectacles, eyes: Float[Tensor, "batch 2 3"], ears: Float[Tensor, "batch 2 3"], bridge: Float[Tensor, "batch 3"]
) -> tuple[Float[Tensor, "batch frame 3"], Float[Tensor, "batch lens 3"]]:
    """Frame and lenses. eyes, ears: right (negative x) first. bridge: on the nose."""
    device = eyes.device
    angle = torch.arange(STATIONS, device=device) / STATIONS * 2 * math.pi
    exponent = (2.0 + 3.2 * (1 - glasses.roundness))[:, None]
    reach = (angle.cos().abs() ** exponent + angle.sin().abs() ** exponent) ** (-1 / exponent)
    half_width = (2.45 * glasses.size)[:, None]
    thick = (0.05 + 0.17 * glasses.bold)[:, None]
    front = torch.maximum(eyes[:, :, 2].amax(1) + 2.0, bridge[:, 2] + 0.35)
    rods, lenses, hinges, noses = [], [], [], []
    for side in (-1, 1):
        eye = eyes[:, 0 if side < 0 else 1]
        centre = torch.stack([eye[:, 0] * 1.02, eye[:, 1] - 0.30 * glasses.height, front], dim=-1)
        upper = angle.sin() > 0
        x = half_width * reach * angle.cos() * torch.where(upper, 1.0, 0.94 + 0 * angle)
        y = half_width * glasses.height[:, None] * reach * angle.sin()

        def placed(x: Tensor, y: Tensor, forward: Tensor | float, centre: Tensor = centre) -> Tensor:
            wide = centre[:, None, 0] + x
            bend = -0.030 * wide**2 + 0.3 - 0.10 * y
            return torch.stack([wide, centre[:, None, 1] + y, centre[:, None, 2] + bend + forward], dim=-1)

        section = [placed(x * (1 + u * thick / half_width), y * (1 + u * thick / half_width), v * thick) for u, v in _SECTION]
        rods.append(torch.stack(section, dim=2).flatten(1, 2))
        rim = placed(x, y, 0.0)
        middle = placed(torch.zeros_like(x[:, :1]), torch.zeros_like(x[:, :1]), 0.12)
        lenses.append(torch.cat([middle, rim], dim=1))
        outer, inner = (0, STATIONS // 2) if side > 0 else (STATIONS // 2, 0)
        high = STATIONS // 12
        hinges.append(rim[:, (outer + high) if side > 0 else (outer - high)])
        noses.append(rim[:, (inner - high) if side > 0 else (inner + high)])
    upright = torch.cat([0 * thick, thick * 1.3, 0 * thick], dim=1)
    bars = [_bar(noses[0], noses[1], upright, eyes.new_tensor([0.0, 0.0, 1.0]) * thick)]
    for index, outwards in ((0, -1.0), (1, 1.0)):
        behind = ears[:, index] * ears.new_tensor([1.02, 1.0, 1.0])
        bars.append(
            _bar(hinges[index] + eyes.new_tensor([0.1 * outwards, 0.0, -0.1]), behind, upright, eyes.new_tensor([1.0, 0.0, 0.0]) * thick)
        )
    frame, lens = torch.cat([*rods, *bars], dim=1), torch.cat(lenses, dim=1)
    worn = (glasses.worn > 0.5)[:, None, None]
    return torch.where(worn, frame, HIDDEN), torch.where(worn, lens, HIDDEN)


def _bar(start: Tensor, end: Tensor, up: Float[Tensor, "batch 3"], aside: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 8 3"]:
    around = (up + aside, up - aside, -up - aside, aside - up)
    return torch.stack([start + step for step in around] + [end + step for step in around], dim=1)


def earring_points(earrings: Earrings, lobes: Float[Tensor, "batch 2 3"]) -> Float[Tensor, "batch earrings 3"]:
    """Rings (or beads, where the ring has no radius) that hang from the lobes."""
    device = lobes.device
    along = torch.arange(RING_STATIONS, device=device) / RING_STATIONS * 2 * math.pi
    around = torch.arange(RING_SIDES, device=device) / RING_SIDES * 2 * math.pi
    hoop, bead = earrings.hoop[:, None, None], earrings.bead[:, None, None]
    radius = hoop + bead * around.cos()[None, None]
    z, y = radius * along.sin()[None, :, None], radius * along.cos()[None, :, None]
    x = (bead * around.sin()[None, None]).expand_as(z)
    ring = torch.stack([x, y - hoop, z], dim=-1).flatten(1, 2)
    out = torch.tensor([[-0.25, -0.1, 0.15], [0.25, -0.1, 0.15]], device=device)
    points = (ring[:, None] + (lobes + out)[:, :, None]).flatten(1, 2)
    return torch.where((earrings.worn > 0.5)[:, None, None], points, HIDDEN)
