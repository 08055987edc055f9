"""Eyeballs, the thickness of the lids, and the pink corner beside the nose."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.grid import Grid, Part, fan_and_rings, quads
from cddfm.head.numerics import column
from cddfm.head.sculpt import EYE_CENTRE, EYE_RADIUS

IRIS_ANGLE, PUPIL_ANGLE = 29.0, 9.5
"""Half angles in degrees under which the eyeball's centre sees iris and pupil."""

RINGS = (4.0, 8.0, 10.0, 14.0, 19.0, 24.0, 27.5, 30.0, 36.0, 44.0, 54.0, 66.0, 80.0, 95.0)
SECTORS = 24


def centre(side: int) -> Float[Tensor, 3]:
    return column(EYE_CENTRE) * column([side, 1.0, 1.0])


def eyeball(side: int, offset: int) -> Part:
    """The front of an eyeball looking forward; side −1 is the head's right. Vertex 0 is the middle of the pupil, then ring by ring."""
    tilt = torch.deg2rad(column(RINGS))
    turn = torch.arange(SECTORS, dtype=torch.float64) * (2 * math.pi / SECTORS)
    across, up = tilt.sin()[:, None] * turn.cos() * side, tilt.sin()[:, None] * turn.sin()
    ring = torch.stack([across, up, tilt.cos()[:, None].expand(-1, SECTORS)], dim=-1)
    directions = torch.cat([column([[0.0, 0.0, 1.0]]), ring.reshape(-1, 3)])
    triangles = fan_and_rings(len(RINGS), SECTORS, offset)
    return Part(centre(side) + EYE_RADIUS * directions, triangles if side > 0 else triangles.flip(1))


RIM = (0.045, -0.06)
"""Distance from the eyeball (cm) of the rows of the lids' rims: the wet edge, and the end hidden under the surface."""


def lid_rim(grid: Grid, skin: Float[Tensor, "vertices 3"], side: int, offset: int) -> Part:
    """The thickness of the lids: from the edges of the slit to the eyeball and just under its surface.

    Own vertices row by row (wet edge, then hidden end): along the upper rim from corner to corner, then the lower without the corners.
    """
    columns = list(grid.eye_columns[(side + 1) // 2])
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    upper, lower = grid.vertex[grid.eye_row, columns], grid.vertex[grid.eye_row + 1, columns]
    edge = skin[torch.cat([upper, lower[1:-1]])]
    outward = edge - centre(side)
    # The edges turn in squarely: a little towards the closed line's height stays, so that the rim is seen from the front.
    rows = [centre(side) + outward / outward.norm(dim=1, keepdim=True) * (EYE_RADIUS + gap) for gap in RIM]
    count, half = len(edge), len(columns)
    first = torch.arange(half) + offset
    second = torch.cat([first[:1], offset + half + torch.arange(half - 2), first[-1:]])
    tops, bottoms = [upper, first, first + count], [lower, second, second + count]
    return Part(torch.cat(rows), torch.cat([quads(torch.stack(tops)), quads(torch.stack(bottoms[::-1]))]))


def caruncle(side: int, offset: int) -> Part:
    """The small pink mound between the lids' inner corner and the eyeball."""
    rings, sectors = 3, 10
    tilt = torch.linspace(0, math.pi / 2, rings + 1, dtype=torch.float64)[1:]
    turn = torch.arange(sectors, dtype=torch.float64) * (2 * math.pi / sectors)
    dome = torch.stack(
        [tilt.sin()[:, None] * turn.cos() * side, tilt.sin()[:, None] * turn.sin(), tilt.cos()[:, None].expand(-1, sectors)], dim=-1
    )
    local = torch.cat([column([[0.0, 0.0, 1.0]]), dome.reshape(-1, 3)]) * column([0.30, 0.26, 0.30])
    triangles = fan_and_rings(rings, sectors, offset)
    return Part(local + column([2.06 * side, -0.17, -0.50]), triangles if side > 0 else triangles.flip(1))
