"""Everything that is not the grid of the skin: eyeballs, lid rims, the inside of the mouth, teeth and ears."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.head.grid import Grid, quads
from cddfm.head.numerics import bump, column, soft_step
from cddfm.head.sculpt import EYE_CENTRE, EYE_RADIUS

IRIS_ANGLE, PUPIL_ANGLE = 29.0, 9.5
"""Half angles in degrees under which the eyeball's centre sees iris and pupil."""

EYE_RINGS = (4.0, 8.0, 10.0, 14.0, 19.0, 24.0, 28.0, 30.5, 36.0, 44.0, 54.0, 66.0, 80.0, 95.0)
EYE_SECTORS = 24


@dataclass(frozen=True)
class Part:
    """A piece of surface. triangles: indices into the whole head's vertices (own vertices start at the offset it was made with)."""

    points: Float[Tensor, "vertices 3"]
    triangles: Int[Tensor, "triangles 3"]


def eyeball(side: int, offset: int) -> Part:
    """The front of an eyeball looking forward; side −1 is the head's right. Vertex 0 is the middle of the pupil, then ring by ring."""
    tilt = torch.deg2rad(column(EYE_RINGS))
    turn = torch.arange(EYE_SECTORS, dtype=torch.float64) * (2 * math.pi / EYE_SECTORS)
    ring = torch.stack(
        [
            tilt.sin()[:, None] * turn.cos() * side,
            tilt.sin()[:, None] * turn.sin(),
            tilt.cos()[:, None].expand(-1, EYE_SECTORS),
        ],
        dim=-1,
    )
    directions = torch.cat([column([[0.0, 0.0, 1.0]]), ring.reshape(-1, 3)])
    centre = column(EYE_CENTRE) * column([side, 1.0, 1.0])
    numbers = torch.cat([torch.zeros(1, EYE_SECTORS, dtype=torch.int64), 1 + torch.arange(len(tilt) * EYE_SECTORS).view(len(tilt), -1)])
    triangles = quads(torch.cat([numbers, numbers[:, :1]], dim=1)) + offset
    return Part(centre + EYE_RADIUS * directions, triangles if side > 0 else triangles.flip(1))


def lid_rim(grid: Grid, skin: Float[Tensor, "vertices 3"], side: int, offset: int) -> Part:
    """The thickness of the lids: from the edges of the slit inwards to just under the eyeball's surface.

    Own vertices: the upper rim from corner to corner, then the lower rim without the corners.
    """
    columns = list(grid.eye_columns[(side + 1) // 2])
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    upper, lower = grid.vertex[grid.eye_row, columns], grid.vertex[grid.eye_row + 1, columns]
    edge = skin[torch.cat([upper, lower[1:-1]])]
    centre = column(EYE_CENTRE) * column([side, 1.0, 1.0])
    outward = edge - centre
    points = centre + outward / outward.norm(dim=1, keepdim=True) * (0.95 * EYE_RADIUS)
    first = torch.arange(len(columns)) + offset
    second = torch.cat([first[:1], first[-1] + 1 + torch.arange(len(columns) - 2), first[-1:]])
    return Part(points, torch.cat([quads(torch.stack([upper, first])), quads(torch.stack([second, lower]))]))


MOUTH_ROWS = (
    (0.0, -0.22), (0.32, -0.45), (0.6, -0.9), (0.5, -2.6), (0.0, -3.4), (-0.6, -2.6), (-0.75, -0.9), (-0.34, -0.45), (0.0, -0.22),
)  # fmt: skip
"""Rows of the mouth's inside from the upper to the lower lip: (height, depth) in cm relative to the lip line.

The first and the last row coincide: lips at rest touch there."""


def mouth_bag(grid: Grid, skin: Float[Tensor, "vertices 3"], offset: int) -> Part:
    """A bag behind the lips that closes at the corners; rows from the upper to the lower lip, columns from corner to corner."""
    columns = list(grid.mouth_columns)
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    upper, lower = grid.vertex[grid.mouth_row, columns], grid.vertex[grid.mouth_row + 1, columns]
    line = (skin[upper] + skin[lower]) / 2
    inner = 1 - (0.995 * line[:, 0] / skin[upper[-1], 0]) ** 2
    rows = []
    for height, depth in MOUTH_ROWS:
        narrow = 1 + 0.06 * depth
        rows.append(torch.stack([line[:, 0] * narrow, line[:, 1] + height * inner**0.5, line[:, 2] + depth * inner**0.5], dim=-1))
    points = torch.stack(rows)
    numbers = torch.arange(points.shape[0] * points.shape[1]).view(points.shape[:2]) + offset
    corner = [upper[:1].expand(len(MOUTH_ROWS), 1), upper[-1:].expand(len(MOUTH_ROWS), 1)]
    middle = torch.cat([corner[0], numbers, corner[1]], dim=1)
    edges = [torch.cat([edge[:1], edge, edge[-1:]])[None] for edge in (upper, lower)]
    return Part(points.reshape(-1, 3), quads(torch.cat([edges[0], middle, edges[1]])))


TEETH_COLUMNS = 41


def teeth(upper: bool, offset: int) -> Part:
    """One row of teeth as a curved strip, rows from top to bottom."""
    turn = torch.linspace(-1.25, 1.25, TEETH_COLUMNS, dtype=torch.float64)
    front = 1.38 if upper else 1.16
    x = (2.25 if upper else 2.1) * turn.sin()
    z = front - 2.3 * (1 - turn.cos())
    heights = (-5.9, -6.25, -6.6, -6.98) if upper else (-7.08, -7.4, -7.75, -8.1)
    rows = [torch.stack([x, torch.full_like(x, y), z - 0.04 * abs(index - 1.5)], dim=-1) for index, y in enumerate(heights)]
    numbers = torch.arange(len(heights) * TEETH_COLUMNS).view(len(heights), -1) + offset
    return Part(torch.stack(rows).reshape(-1, 3), quads(numbers))


EAR_SECTORS = 32
EAR_RINGS = (0.12, 0.25, 0.38, 0.5, 0.62, 0.72, 0.81, 0.88, 0.94, 0.985, 1.0)
EAR_BACK = ((1.0, -0.22), (0.93, -0.36), (0.8, -0.5), (0.6, -1.0))
"""Rings of the ear's back: (radius, depth in cm)."""


def ear(side: int, offset: int) -> Part:
    """An ear: a shell with helix, antihelix and concha in front, folded behind its rim into the head."""
    turn = torch.arange(EAR_SECTORS, dtype=torch.float64) * (2 * math.pi / EAR_SECTORS)
    back_x, up = turn.cos(), turn.sin()  # +1: backwards, upwards
    half_width = torch.where(back_x > 0, 1.6 + 0.28 * up, 1.35 + 0.05 * up) * (1 + 0.32 * soft_step(up, -0.55, -0.95))
    half_height = torch.where(up > 0, 3.0, 3.0)

    def ring(radius: float, depth: Tensor) -> Tensor:
        backwards = radius * back_x * half_width - 0.25 * radius * up
        upwards = radius * up * half_height
        return torch.stack([depth, upwards, backwards], dim=-1)

    behind = soft_step(back_x, -0.7, 0.1)
    above = soft_step(up, -0.75, -0.2)
    rings = [torch.stack([column(-0.55), column(-0.5), column(-0.15)])[None]]
    for radius in EAR_RINGS:
        helix = 0.34 * bump((torch.full_like(turn, radius) - 0.93) ** 2 / 0.07**2) * torch.maximum(behind, soft_step(up, 0.2, 0.8)) * above
        antihelix = 0.3 * bump((torch.full_like(turn, radius) - 0.62) ** 2 / 0.1**2) * behind * above
        concha = -0.6 * bump((radius * back_x - 0.0) ** 2 / 0.4**2 + (radius * up + 0.12) ** 2 / 0.26**2)
        groove = -0.22 * bump((torch.full_like(turn, radius) - 0.8) ** 2 / 0.06**2) * behind * above
        tragus = 0.25 * bump((back_x * radius + 0.75) ** 2 / 0.2**2 + (up * radius + 0.1) ** 2 / 0.14**2)
        rings.append(ring(radius, helix + antihelix + concha + groove + tragus))
    rings += [ring(radius, torch.full_like(turn, depth)) for radius, depth in EAR_BACK]
    local = torch.cat(rings)
    flare = math.radians(30.0)
    outward = local[:, 0] * math.cos(flare) + (local[:, 2] + 1.3) * math.sin(flare)
    backward = (local[:, 2] + 1.3) * math.cos(flare) - local[:, 0] * math.sin(flare)
    points = torch.stack([side * (7.45 + outward), -1.55 + local[:, 1], -5.9 - backward - 0.12 * local[:, 1]], dim=-1)
    count = len(rings) - 1
    numbers = torch.cat([torch.zeros(1, EAR_SECTORS, dtype=torch.int64), 1 + torch.arange(count * EAR_SECTORS).view(count, -1)])
    triangles = quads(torch.cat([numbers, numbers[:, :1]], dim=1)) + offset
    return Part(points, triangles if side > 0 else triangles.flip(1))
