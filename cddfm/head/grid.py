"""The grid of the skin: columns around the head, rows that follow the features, slits for the eyes and the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.head.numerics import along, column, soft_step

HAIRLINE, EYE, NOSE, MOUTH, JAW, THROAT, BASE = 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0
"""Levels of the key rows; the level runs from 0 at the crown to 7 at the base of the neck."""

ROWS_BETWEEN = (9, 16, 15, 12, 13, 5, 4)
"""Rows from each key row to the next, crown first."""

EYE_INNER, EYE_OUTER, MOUTH_CORNER = 14.8, 35.0, 16.3
"""Angles of the corners in degrees."""


@dataclass(frozen=True)
class Grid:
    """vertex: index of the vertex at (row, column); rows share vertices where a slit is welded. angle: radians, > 0 to the head's left.

    level: continuous row number per vertex. eye_row, mouth_row: the upper edges of the slits; the lower edge is the next row.
    """

    vertex: Int[Tensor, "rows columns"]
    triangles: Int[Tensor, "triangles 3"]
    angle: Float[Tensor, " vertices"]
    level: Float[Tensor, " vertices"]
    below: Float[Tensor, " vertices"]
    eye_row: int
    mouth_row: int
    eye_columns: tuple[tuple[int, ...], tuple[int, ...]]
    mouth_columns: tuple[int, ...]


def column_angles() -> Float[Tensor, " columns"]:
    """Angles of the columns in degrees from -180 (exclusive) to 180: dense over nose and eyes, coarse behind."""
    parts = [(0.0, EYE_INNER, 10, 1.0), (EYE_INNER, EYE_OUTER, 14, 1.0), (EYE_OUTER, 90.0, 16, 1.35), (90.0, 180.0, 9, 1.0)]
    half = [torch.linspace(0, 1, count + 1, dtype=torch.float64)[1:] ** power * (b - a) + a for a, b, count, power in parts]
    positive = torch.cat(half)
    return torch.cat([-positive[:-1].flip(0), column([0.0]), positive])


def row_levels() -> tuple[Float[Tensor, " rows"], int, int]:
    """Levels of the rows with the slits' rows doubled, and the two upper slit rows. Rows crowd towards lids, lips and jaw."""
    crowd = {HAIRLINE: (1.0, 1.25), EYE: (1.35, 1.0), NOSE: (1.0, 1.3), MOUTH: (1.3, 1.0)}
    levels = [column([0.04])]
    for start, count in enumerate(ROWS_BETWEEN):
        t = torch.linspace(0, 1, count + 1, dtype=torch.float64)
        early, late = crowd.get(float(start), (1.0, 1.0))
        t = t**early if late == 1.0 else 1 - (1 - t) ** late
        levels.append(start + t[1:] if start else 0.04 + 0.96 * t[1:])
        if start + 1 in (EYE, MOUTH):
            levels.append(column([start + 1.0]))
    joined = torch.cat(levels)
    slits = (joined[1:] == joined[:-1]).nonzero().flatten().tolist()
    return joined, slits[0], slits[1]


def make_grid() -> Grid:
    degrees = column_angles()
    levels, eye_row, mouth_row = row_levels()
    rows, columns = len(levels), len(degrees)
    side = degrees.abs()
    in_eye = (side > EYE_INNER + 0.1) & (side < EYE_OUTER - 0.1)
    in_mouth = side < MOUTH_CORNER - 0.1
    open_ = torch.ones(rows, columns, dtype=torch.bool)
    open_[eye_row + 1] = in_eye
    open_[mouth_row + 1] = in_mouth
    vertex = torch.zeros(rows, columns, dtype=torch.int64)
    vertex[open_] = torch.arange(int(open_.sum())) + 1
    vertex[eye_row + 1] = torch.where(in_eye, vertex[eye_row + 1], vertex[eye_row])
    vertex[mouth_row + 1] = torch.where(in_mouth, vertex[mouth_row + 1], vertex[mouth_row])
    angle = torch.zeros(int(open_.sum()) + 1, dtype=torch.float64)
    level, below = torch.zeros_like(angle), torch.zeros_like(angle)
    kept = vertex[open_]
    angle[kept] = torch.deg2rad(degrees.expand(rows, -1)[open_])
    level[kept] = levels[:, None].expand(-1, columns)[open_]
    below[kept] = (torch.arange(rows) > mouth_row).double()[:, None].expand(-1, columns)[open_]
    eyes = tuple(tuple((in_eye & (degrees * sign > 0)).nonzero().flatten().tolist()) for sign in (-1, 1))
    mouth = tuple(in_mouth.nonzero().flatten().tolist())
    return Grid(vertex, _triangles(vertex, eye_row, mouth_row), angle, level, below, eye_row, mouth_row, (eyes[0], eyes[1]), mouth)


def quads(corners: Int[Tensor, "rows columns"]) -> Int[Tensor, "triangles 3"]:
    """Two triangles per cell of a grid of vertex indices whose rows go down and columns to the right; degenerate ones left out."""
    a, b, c, d = (part.reshape(-1) for part in (corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]))
    both = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    distinct = (both[:, 0] != both[:, 1]) & (both[:, 1] != both[:, 2]) & (both[:, 0] != both[:, 2])
    return both[distinct]


def _triangles(vertex: Tensor, eye_row: int, mouth_row: int) -> Int[Tensor, "triangles 3"]:
    """Vertex 0 is the crown; nothing lies between the two rows of a slit."""
    around = torch.cat([vertex, vertex[:, :1]], dim=1)
    bands = [around[: eye_row + 1], around[eye_row + 1 : mouth_row + 1], around[mouth_row + 1 :]]
    crown = torch.stack([torch.zeros_like(around[0]), around[0]])
    return torch.cat([quads(band) for band in [crown, *bands]])


def key_heights(angle: Float[Tensor, " vertices"]) -> Float[Tensor, "vertices 7"]:
    """Heights in cm of the key rows (hairline … base of the neck) at each angle; the rows rise towards the ears."""
    degrees = torch.rad2deg(angle.abs())
    aside = soft_step(degrees, 18.0, 80.0)
    jaw = jaw_height(angle)
    front = column([4.0, -0.12, -4.7, -6.82])
    back = column([4.0, 0.0, -2.6, -4.9])
    upper = front + (back - front) * aside[:, None]
    step = 0.35 + 0.6 * aside
    return torch.cat([upper, torch.stack([jaw + step, jaw - step, torch.full_like(jaw, -17.0)], 1)], dim=1)


def jaw_height(angle: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
    """Height in cm of the lower border of the jaw by angle."""
    heights = (-11.35, -11.3, -11.05, -10.65, -9.95, -9.1, -8.6, -8.6)
    return along((0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 180.0), heights, torch.rad2deg(angle.abs()))


def row_height(angle: Float[Tensor, " vertices"], level: Float[Tensor, " vertices"]) -> Float[Tensor, " vertices"]:
    """Height in cm of points at levels ≥ 1: linear between key rows."""
    keys = key_heights(angle)
    lower = level.floor().clamp(1, 6).long()
    fraction = (level - lower)[:, None]
    pair = torch.stack([keys.gather(1, lower[:, None] - 1), keys.gather(1, lower[:, None])], 1)[..., 0]
    return (pair[:, :1] * (1 - fraction) + pair[:, 1:] * fraction)[:, 0]
