"""Behind the lips: a dark bag, two rows of teeth in their gums, the tongue."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.grid import Grid, Part, fan_and_rings, quads
from cddfm.head.numerics import column, soft_step

BAG_ROWS = (
    (0.02, -0.16), (0.30, -0.40), (0.95, -0.55), (1.05, -1.3), (0.7, -3.0), (0.0, -3.8), (-0.8, -3.0), (-1.1, -1.3), (-0.95, -0.55),
    (-0.30, -0.40), (-0.02, -0.16),
)  # fmt: skip
"""Rows of the mouth's inside from the upper to the lower lip: (height, depth) in cm relative to the lip line."""


def bag(grid: Grid, skin: Float[Tensor, "vertices 3"], offset: int) -> Part:
    """A bag behind the lips that closes at the corners; rows from the upper to the lower lip, columns from corner to corner."""
    columns = list(grid.mouth_columns)
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    upper, lower = grid.vertex[grid.mouth_row, columns], grid.vertex[grid.mouth_row + 1, columns]
    line = (skin[upper] + skin[lower]) / 2
    inner = (1 - (0.995 * line[:, 0] / skin[upper[-1], 0]) ** 2) ** 0.5
    rows = []
    for height, depth in BAG_ROWS:
        narrow = 1 + 0.05 * depth
        rows.append(torch.stack([line[:, 0] * narrow, line[:, 1] + height * inner, line[:, 2] + depth * inner], dim=-1))
    points = torch.stack(rows)
    numbers = torch.arange(points.shape[0] * points.shape[1]).view(points.shape[:2]) + offset
    corner = [end.expand(len(BAG_ROWS), 1) for end in (upper[:1], upper[-1:])]
    middle = torch.cat([corner[0], numbers, corner[1]], dim=1)
    edges = [torch.cat([edge[:1], edge, edge[-1:]])[None] for edge in (upper, lower)]
    return Part(points.reshape(-1, 3), quads(torch.cat([edges[0], middle, edges[1]])))


WIDTHS = {True: (0.86, 0.66, 0.76, 0.70, 0.68, 0.95), False: (0.54, 0.58, 0.68, 0.70, 0.72, 1.0)}
"""Widths in cm of the teeth from the middle backwards, upper and lower."""

LENGTHS = {True: (1.10, 1.0, 1.08, 0.92, 0.8, 0.76), False: (0.86, 0.88, 0.94, 0.84, 0.8, 0.76)}
STEPS = 5
"""Columns per tooth."""
TOOTH_ROWS = (-0.75, -0.12, 0.0, 0.35, 0.75, 0.96, 1.0)
"""Rows from the gum (< 0) to the biting edge (1), in shares of the tooth's length."""


def teeth(upper: bool, offset: int) -> Part:
    """One row of teeth, each a rounded bulge, in its gum; rows from the gum to the biting edge."""
    place, within, length = tooth_columns(upper)
    half_width, reach = (2.62, 3.3) if upper else (2.42, 3.1)
    turn = _turn_of(place, half_width, reach)
    front, neck = (1.40, -5.98) if upper else (1.18, -7.76)
    down = -1.0 if upper else 1.0
    bulge = (1 - (2 * within - 1).abs() ** 2.5).clamp(min=0.0)
    rows = []
    for share in TOOTH_ROWS:
        crown = max(share, 0.0)
        edge = 1 - 0.10 * (1 - bulge) * soft_step(column(share), 0.3, 1.0)
        out = 0.13 * bulge * float(soft_step(column(share), -0.15, 0.3)) - (0.10 if share == 1.0 else 0.0) + (0.04 if share < 0 else 0.0)
        x, z = (half_width + out) * turn.sin(), front - reach * (1 - turn.cos()) + out * turn.cos() + 0.06 * crown
        rows.append(torch.stack([x, neck + down * length * share * edge, z], dim=-1))
    numbers = torch.arange(len(rows) * len(turn)).view(len(rows), -1) + offset
    triangles = quads(numbers)
    return Part(torch.stack(rows).reshape(-1, 3), triangles if upper else triangles.flip(1))


def tooth_columns(upper: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of each column: arc length in cm from the middle, share (0 to 1) across its tooth, the tooth's length in cm."""
    edges = torch.cat([column([0.0]), column(WIDTHS[upper]).cumsum(0)])
    share = torch.arange(STEPS, dtype=torch.float64) / STEPS
    place = (edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * share).flatten()
    lengths = column(LENGTHS[upper]).repeat_interleave(STEPS)
    within = share.repeat(len(WIDTHS[upper]))
    return tuple(torch.cat([values.flip(0)[:-1] * sign, values]) for values, sign in ((place, -1), (within, 1), (lengths, 1)))


def _turn_of(place: Tensor, half_width: float, reach: float) -> Tensor:
    """Angle on the dental arch (an ellipse) at an arc length."""
    turn = torch.linspace(-1.5, 1.5, 601, dtype=torch.float64)
    speed = ((half_width * turn.cos()) ** 2 + (reach * turn.sin()) ** 2).sqrt()
    length = torch.cumulative_trapezoid(speed, turn)
    length = torch.cat([length.new_zeros(1), length]) - length[299]
    index = torch.searchsorted(length, place).clamp(1, 600)
    t = (place - length[index - 1]) / (length[index] - length[index - 1])
    return turn[index - 1] * (1 - t) + turn[index] * t


def tongue(offset: int) -> Part:
    """The tongue at rest between the lower teeth: a flattened mound with a furrow, seen from above."""
    rings, sectors = 6, 18
    tilt = torch.linspace(0, 0.62 * math.pi, rings + 1, dtype=torch.float64)[1:]
    turn = torch.arange(sectors, dtype=torch.float64) * (2 * math.pi / sectors)
    dome = torch.stack([tilt.sin()[:, None] * turn.cos(), tilt.cos()[:, None].expand(-1, sectors), -tilt.sin()[:, None] * turn.sin()], -1)
    local = torch.cat([column([[0.0, 1.0, 0.0]]), dome.reshape(-1, 3)])
    x, y, z = local.unbind(-1)
    furrow = 0.12 * torch.exp(-((x / 0.12) ** 2)) * (y > 0)
    points = torch.stack([1.75 * x * (1 - 0.12 * z), 0.62 * y - furrow, 2.3 * z], dim=-1) + column([0.0, -7.72, -1.45])
    return Part(points, fan_and_rings(rings, sectors, offset))
