"""The skull as hair and hats know it: directions about the crown, the head's radius along them, and the hairline. Centimetres, radians.

A direction is (reach, azimuth): the angle from the crown's axis, and where around it (0 = front, positive = the head's left).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.world.vectors import ramp

CENTRE = (0.0, 1.0, -7.0)
CROWN_TILT = math.radians(14)
ROWS, COLUMNS = 24, 60
TABLE_REACH = math.radians(132)
NEIGHBOURS = 12

FRONT_LINE = math.radians(52)
SIDEBURN_LINE = math.radians(92)
EAR_LINE = math.radians(84)
NAPE_LINE = math.radians(121)


@dataclass(frozen=True)
class Scalp:
    """Which head vertices tell the radius in each direction of the table, with weights. Column `COLUMNS` repeats column 0 (the back)."""

    neighbours: Int[Tensor, "rows columns near"]
    weights: Float[Tensor, "rows columns near"]


def polar(reach: Tensor, azimuth: Tensor) -> Float[Tensor, "3 *shape"]:
    """Unit vector of a direction."""
    x, y, z = reach.sin() * azimuth.sin(), reach.cos(), reach.sin() * azimuth.cos()
    up, forward = math.cos(CROWN_TILT), math.sin(CROWN_TILT)
    return torch.stack([x, up * y + forward * z, up * z - forward * y])


def polar_of(spoke: Float[Tensor, "3 *shape"]) -> tuple[Tensor, Tensor, Tensor]:
    """Reach, azimuth and length of vectors from `CENTRE`."""
    x, y, z = spoke
    up = math.cos(CROWN_TILT) * y - math.sin(CROWN_TILT) * z
    forward = math.sin(CROWN_TILT) * y + math.cos(CROWN_TILT) * z
    distance = (x * x + y * y + z * z).clamp(min=1e-9).sqrt()
    return (up / distance).clamp(-1, 1).acos(), torch.atan2(x, forward), distance


def bind_scalp(points: Float[Tensor, "vertices 3"], usable: Bool[Tensor, vertices]) -> Scalp:
    """Bind the table's directions to the usable vertices of the mean head, Gaussian in angle."""
    reach = torch.linspace(0, TABLE_REACH, ROWS)
    azimuth = torch.linspace(-math.pi, math.pi, COLUMNS + 1)
    directions = polar(reach[:, None].expand(-1, COLUMNS + 1), azimuth[None, :].expand(ROWS, -1)).flatten(1).t()
    index = usable.nonzero().squeeze(1)
    spokes = torch.nn.functional.normalize(points[index] - torch.tensor(CENTRE), dim=-1)
    closeness, near = (directions @ spokes.t()).topk(NEIGHBOURS, dim=-1)
    angle = closeness.clamp(-1, 1).acos()
    weights = torch.exp(-0.5 * (angle / (angle[:, 3:4] + 0.02)) ** 2)
    weights = weights / weights.sum(-1, keepdim=True)
    return Scalp(index[near].unflatten(0, (ROWS, COLUMNS + 1)), weights.unflatten(0, (ROWS, COLUMNS + 1)))


def radius_table(scalp: Scalp, head: Float[Tensor, "batch vertices 3"]) -> Float[Tensor, "batch cells"]:
    """Distance of these heads' surface from `CENTRE` in the table's directions, row by row."""
    centre = torch.tensor(CENTRE, device=head.device)
    radius = (head.index_select(1, scalp.neighbours.flatten()) - centre).square().sum(-1).sqrt()
    return (radius.unflatten(1, (-1, NEIGHBOURS)) * scalp.weights.flatten(0, 1)).sum(-1)


def radius_at(table: Float[Tensor, "batch cells"], reach: Float[Tensor, "batch *shape"], azimuth: Float[Tensor, "batch *shape"]) -> Tensor:
    """The table read bilinearly."""
    down = (reach * ((ROWS - 1) / TABLE_REACH)).clamp(0, ROWS - 1.001)
    around = ((azimuth + math.pi) * (COLUMNS / (2 * math.pi))).clamp(0, COLUMNS - 0.001)
    row, column = down.floor(), around.floor()
    down, around = down - row, around - column
    start = torch.arange(len(table), device=table.device).view(-1, *[1] * (reach.dim() - 1)) * table.shape[1]
    cell = start + (row * (COLUMNS + 1) + column).long()
    flat = table.flatten()

    def read(offset: int) -> Tensor:
        return flat.index_select(0, (cell + offset).flatten()).view(reach.shape)

    above = read(0) + around * (read(1) - read(0))
    below = read(COLUMNS + 1) + around * (read(COLUMNS + 2) - read(COLUMNS + 1))
    return above + down * (below - above)


def hairline(azimuth: Tensor, recede: Tensor) -> Tensor:
    """Reach at which hair ends on the head: forehead, temples, in front of the ear, behind it, nape. recede > 0 moves temples and forehead
    back."""
    side = azimuth.abs()

    def between(low: float, high: float) -> Tensor:
        return ramp(side, math.radians(low), math.radians(high))

    temples = 0.45 + 0.55 * between(8.0, 34.0) * (1 - 0.7 * between(48.0, 66.0))
    front = FRONT_LINE + math.radians(3) * between(20.0, 0.0) - math.radians(2.5) * between(12.0, 34.0) - recede * temples
    line = front + (SIDEBURN_LINE - front) * between(50.0, 76.0)
    line = line + (EAR_LINE - SIDEBURN_LINE) * between(79.0, 90.0)
    return line + (NAPE_LINE - EAR_LINE) * between(100.0, 124.0)
