"""Beanies, caps and brimmed hats: a shell over the scalp and a brim; closed-form, in centimetres, in the head's frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.world.scalp import CENTRE, polar, radius_at
from cddfm.world.vectors import of_each, ramp, unit

KINDS = ("none", "beanie", "cap", "hat", "headband")
SHARES = (0.87, 0.045, 0.04, 0.025, 0.02)
SHELL_ROWS, BRIM_ROWS, COLUMNS = 14, 5, 60
POINTS = (SHELL_ROWS + BRIM_ROWS) * (COLUMNS + 1)
HIDDEN = -1e4


@dataclass(frozen=True)
class Hats:
    """kind: index of KINDS. shape: slouch or height, brim, tilt, each in [−1, 1]. colours: of the hat, and of its band."""

    kind: Int[Tensor, batch]
    shape: Float[Tensor, "batch 3"]
    colours: Float[Tensor, "batch 2 3"]


def hat_triangles() -> Int[Tensor, "triangles 3"]:
    """Shell and brim, both sides."""
    rows = SHELL_ROWS + BRIM_ROWS
    corner = (torch.arange(rows - 1)[:, None] * (COLUMNS + 1) + torch.arange(COLUMNS)).flatten()
    right, below = corner + 1, corner + COLUMNS + 1
    once = torch.cat([torch.stack([corner, below, right], -1), torch.stack([right, below, below + 1], -1)])
    return torch.cat([once, once.flip(1)])


def _edge(hats: Hats, azimuth: Tensor) -> Float[Tensor, "batch columns"]:
    """Reach of the hat's lower edge."""
    side = azimuth.abs()
    lateral, rear = ramp(side, 0.5, 1.4), ramp(side, 1.7, 2.5)
    low = {"none": (50, 70, 80), "beanie": (63, 80, 94), "cap": (65, 68, 74), "hat": (67, 66, 66), "headband": (60, 76, 88)}
    line = torch.zeros(len(hats.kind), azimuth.shape[-1], device=azimuth.device)
    for index, name in enumerate(KINDS):
        front, ear, back = (math.radians(value) for value in low[name])
        curve = front + (ear - front) * lateral + (back - ear) * rear
        line = torch.where((hats.kind == index)[:, None], curve, line)
    return line + 0.05 * hats.shape[:, 2:3]


def hat_points(hats: Hats, table: Float[Tensor, "batch cells"]) -> Float[Tensor, "batch hat 3"]:
    """Rows from the crown to the edge, then the brim's from the edge outward."""
    device = table.device
    azimuth = torch.linspace(-math.pi, math.pi, COLUMNS + 1, device=device).expand(len(table), -1)
    edge = _edge(hats, azimuth)
    share = torch.linspace(0, 1, SHELL_ROWS, device=device)[None, :, None]
    kind = hats.kind[:, None, None]
    band = (kind == KINDS.index("headband")).float()
    reach = edge[:, None] * (share + (0.72 + 0.28 * share - share) * band)
    around = azimuth[:, None].expand_as(reach)
    base = radius_at(table, reach, around)
    swell = {"none": 0.0, "beanie": 0.95, "cap": 1.05, "hat": 1.1, "headband": 0.75}
    thick = sum((kind == KINDS.index(name)).float() * value for name, value in swell.items())
    tuck = ramp(share, 1.0, 0.86)
    rolled = (kind == KINDS.index("beanie")).float() * 0.45 * ramp(share, 0.66, 0.72)
    high = hats.shape[:, 0, None, None]
    slouch = (kind == KINDS.index("beanie")).float() * (0.9 + 0.9 * high) * ramp(share, 0.7, 0.1)
    slouch = slouch + (kind == KINDS.index("cap")).float() * 1.1 * ramp(share, 0.95, 0.3) * (1 - 0.5 * ramp(around.abs(), 1.2, 2.4))
    radius = base + thick * (0.75 + 0.25 * tuck) + slouch + rolled
    tall = (kind == KINDS.index("hat")).float()
    direction = polar(reach, around)
    top = 12.6 + 1.3 * high
    drum = torch.minimum(radius * (1 + 0.5 * ramp(share, 0.9, 0.45)), (top - 1.0) / direction[1].clamp(min=0.2))
    radius = radius + (drum - radius) * tall
    centre = torch.tensor(CENTRE, device=device).view(3, 1, 1, 1)
    shell = centre + direction * radius
    brim = _brim(hats, shell[..., -1, :], azimuth)
    points = torch.cat([shell, brim], dim=2).flatten(2).permute(1, 2, 0)
    return torch.where((hats.kind > 0)[:, None, None], points, HIDDEN)


def _brim(hats: Hats, edge: Float[Tensor, "3 batch columns"], azimuth: Tensor) -> Float[Tensor, "3 batch rows columns"]:
    """A visor in front or a brim all around; no width elsewhere."""
    out = torch.stack([edge[0], torch.zeros_like(edge[0]), edge[2] + 7.0])
    out = unit(out)
    side = azimuth.abs()
    visor = (5.6 + 0.8 * hats.shape[:, 1:2]) * ramp(side, 1.05, 0.45).sqrt()
    brim = 4.2 + 1.6 * hats.shape[:, 1:2] + 0 * side
    width = visor * (hats.kind == KINDS.index("cap"))[:, None] + brim * (hats.kind == KINDS.index("hat"))[:, None]
    ahead = torch.stack([0.25 * out[0], 0 * out[1], torch.ones_like(out[2])])
    heading = torch.where((hats.kind == KINDS.index("cap"))[None, :, None], unit(ahead + 0.4 * out), out)
    rows = []
    for row in range(BRIM_ROWS):
        stage = (row + 1) / BRIM_ROWS
        place = edge + heading * (width * stage)
        drop = torch.where((hats.kind == KINDS.index("cap"))[:, None], 0.13 + 0.10 * side**2, 0.10 + 0.06 * torch.cos(2 * azimuth))
        rows.append(torch.stack([place[0], place[1] - drop * width * stage, place[2]]))
    return torch.stack(rows, dim=2)


def paint_hat(rest: Float[Tensor, "3 pixels"], hats: Hats, image: Int[Tensor, pixels]) -> tuple[Tensor, Tensor]:
    """Reflectance and how knit and seams tilt the surface. rest: (row 0 to 1, azimuth, 1 on the brim)."""
    row, azimuth, brim = rest
    kind = of_each(hats.kind, image)
    first, second = (of_each(hats.colours[:, index].t(), image) for index in range(2))
    knit = ((kind == KINDS.index("beanie")) | (kind == KINDS.index("headband"))).float()
    fold = ramp(row, 0.68, 0.70) * (kind == KINDS.index("beanie")).float()
    band = ramp(row, 0.72, 0.75) * (kind == KINDS.index("hat")).float() * (1 - brim)
    seam = (
        ramp((torch.remainder(azimuth / (math.pi / 3) + 0.5, 1.0) - 0.5).abs(), 0.03, 0.012)
        * (kind == KINDS.index("cap")).float()
        * (1 - brim)
    )
    colour = first + (second - first) * torch.maximum(band, 0.8 * fold * of_each(hats.shape[:, 1] > 0, image).float())
    colour = colour * (1 - 0.35 * seam) * (1 - 0.45 * ramp(row, 0.60, 0.675) * ramp(row, 0.70, 0.685) * knit)
    ribs = torch.sin(azimuth * 46) * (0.4 + 0.2 * torch.sin(row * 60))
    tilt = torch.stack([ribs * azimuth.cos(), 0 * ribs, -ribs * azimuth.sin()]) * (0.55 * knit)
    return colour * (1 - 0.15 * knit * (0.5 - 0.5 * torch.sin(azimuth * 46))), tilt
