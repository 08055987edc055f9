"""The grid of the skin: columns around the head, bands of rows that follow brows, lids, nose and lips, slits for the eyes and the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.head.numerics import column, soft_step, through

CROWN, FOREHEAD, BROW, UPPER_LID, LOWER_LID, CHEEK, TIP, BASE, UPPER_LIP, LOWER_LIP, LABIAL, CHIN, JAW, NECK = range(14)
"""Bands of rows from the crown downwards. The level of a vertex is its band's number plus the share (0 to 1) of the band above it."""

ROWS = (8, 7, 9, 7, 6, 9, 11, 7, 7, 6, 5, 7, 5, 5)
"""Rows of each band."""

EYE_INNER, EYE_OUTER, MOUTH_CORNER = 14.8, 35.0, 16.3
"""Angles of the corners in degrees."""

Knots = tuple[tuple[float | int, float], ...]

_EYE_BESIDE: Knots = ((45, 0.02), (60, 0.1), (90, 0.25), (180, 0.4))
_MOUTH_BESIDE: Knots = ((15.6, -6.95), (20, -6.90), (30, -6.50), (60, -5.40), (90, -4.90), (180, -4.80))
CURVES: dict[str, Knots] = {
    "brow": ((0, 2.25), (7.8, 2.42), (16.3, 2.72), (26.5, 2.80), (36, 2.50), (45.6, 1.78), (60, 1.5), (90, 1.6), (180, 2.0)),
    "crease": ((0, 1.10), (10, 0.70), (14.8, 0.22), (17, 0.52), (20, 0.80), (24, 0.92), (28, 0.80), (32, 0.55), (36, 0.30), (45, 0.40),
               (60, 0.6), (90, 0.8), (180, 1.0)),
    "eye_top": ((0, 0.0), (10, -0.1), (14.8, -0.19), (16.0, 0.03), (18.0, 0.31), (21.0, 0.51), (24.2, 0.57), (28.5, 0.43), (32.0, 0.20),
                (35.0, -0.01), *_EYE_BESIDE),
    "eye_bottom": ((0, 0.0), (10, -0.1), (14.8, -0.19), (16.5, -0.28), (20.8, -0.37), (24.2, -0.42), (28.5, -0.37), (32.0, -0.21),
                   (35.0, -0.01), *_EYE_BESIDE),
    "bag": ((0, -1.0), (10, -0.85), (14.8, -0.72), (20, -0.98), (25, -1.08), (30, -0.95), (35, -0.6), (45, -0.5), (180, -0.4)),
    "tip": ((0, -3.45), (8, -3.4), (12, -3.2), (30, -2.8), (60, -2.4), (90, -2.0), (180, -1.8)),
    "base": ((0, -4.70), (8, -4.76), (12, -4.80), (20, -4.60), (40, -4.10), (60, -3.60), (90, -3.20), (180, -3.0)),
    "lip_top": ((0, -5.95), (4.4, -5.84), (10.7, -6.22), (13.5, -6.60), (15.5, -6.82), (17, -6.89), (20, -6.68), (30, -6.0), (60, -4.8),
               (90, -4.4), (180, -4.2)),
    "mouth_top": ((0, -6.81), (6, -6.79), (12, -6.885), *_MOUTH_BESIDE),
    "mouth_bottom": ((0, -6.79), (6, -6.77), (12, -6.875), *_MOUTH_BESIDE),
    "lip_bottom": ((0, -7.83), (6.4, -7.76), (11.7, -7.50), (13.5, -7.30), (15.5, -7.07), (17, -7.01), (20, -7.18), (30, -7.0), (60, -6.1),
                   (90, -5.4), (180, -5.4)),
    "labial": ((0, -8.60), (10, -8.5), (17, -8.2), (30, -7.9), (60, -6.9), (90, -6.0), (180, -6.0)),
    "jaw": ((0, -11.6), (8, -11.6), (18, -11.48), (30, -11.2), (45, -10.75), (60, -10.25), (75, -9.65), (90, -9.2), (115, -8.7),
            (180, -8.6)),
}  # fmt: skip
"""Heights in cm of the lines between bands by angle in degrees (closed line of the eye: upper and lower margins apart)."""


@dataclass(frozen=True)
class Grid:
    """vertex: index of the vertex at (row, column); rows share vertices where a slit is welded. angle: radians, > 0 to the head's left.

    level: band and share per vertex. below: 1 for vertices on or under the mouth's lower edge. eye_row, mouth_row: the upper edges of
    the slits; the lower edge is the next row. lip_rows: rows of the upper and the lower border of the lips.
    """

    vertex: Int[Tensor, "rows columns"]
    triangles: Int[Tensor, "triangles 3"]
    angle: Float[Tensor, " vertices"]
    level: Float[Tensor, " vertices"]
    below: Float[Tensor, " vertices"]
    eye_row: int
    mouth_row: int
    brow_row: int
    lip_rows: tuple[int, int]
    eye_columns: tuple[tuple[int, ...], tuple[int, ...]]
    mouth_columns: tuple[int, ...]

    def edges(self) -> Int[Tensor, "edges 2"]:
        """Neighbours along rows and columns, both ways, not across the slits."""
        beside = torch.stack([self.vertex, self.vertex.roll(-1, 1)], -1)
        rows = torch.tensor([row for row in range(len(self.vertex) - 1) if row not in (self.eye_row, self.mouth_row)])
        under = torch.stack([self.vertex[rows], self.vertex[rows + 1]], -1)
        pairs = torch.cat([beside.flatten(0, 1), under.flatten(0, 1)])
        low, high = pairs.amin(1), pairs.amax(1)
        count = len(self.level)
        codes = (low * count + high)[low != high].unique()
        pairs = torch.stack([codes // count, codes % count], dim=1)
        return torch.cat([pairs, pairs.flip(1)])


def column_angles() -> Float[Tensor, " columns"]:
    """Angles of the columns in degrees from -180 (exclusive) to 180: dense over nose and eyes, coarse behind."""
    parts = [(0.0, EYE_INNER, 15, 1.0), (EYE_INNER, EYE_OUTER, 17, 1.0), (EYE_OUTER, 90.0, 15, 1.3), (90.0, 180.0, 8, 1.0)]
    half = [torch.linspace(0, 1, count + 1, dtype=torch.float64)[1:] ** power * (b - a) + a for a, b, count, power in parts]
    positive = torch.cat(half)
    return torch.cat([-positive[:-1].flip(0), column([0.0]), positive])


def row_levels() -> Float[Tensor, " rows"]:
    """Levels of the rows, crowded towards lids, lips and jaw; the edges of the slits come twice."""
    crowd = {BROW: 0.75, CHEEK: 1.25, UPPER_LIP: 0.72, LOWER_LIP: 1.3, LABIAL: 1.15}
    levels = [column([0.04])]
    for band, count in enumerate(ROWS):
        t = torch.linspace(0, 1, count + 1, dtype=torch.float64) ** crowd.get(band, 1.0)
        levels.append(0.04 + 0.96 * t[1:] if band == CROWN else band + t[1:])
        if band in (UPPER_LID, UPPER_LIP):
            levels.append(column([band + 1.0]))
    return torch.cat(levels)


def make_grid() -> Grid:
    degrees, levels = column_angles(), row_levels()
    rows, columns = len(levels), len(degrees)
    eye_row, mouth_row = (levels[1:] == levels[:-1]).nonzero().flatten().tolist()
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
    # A hair below the whole number marks the upper edge of a slit, so that each edge belongs to its own band.
    levels[eye_row], levels[mouth_row] = levels[eye_row] - 1e-6, levels[mouth_row] - 1e-6
    level[kept] = levels[:, None].expand(-1, columns)[open_]
    below[kept] = (torch.arange(rows) > mouth_row).double()[:, None].expand(-1, columns)[open_]
    eyes = tuple(tuple((in_eye & (degrees * sign > 0)).nonzero().flatten().tolist()) for sign in (-1, 1))
    mouth = tuple(in_mouth.nonzero().flatten().tolist())
    lip_rows = (_row_of(levels, UPPER_LIP), _row_of(levels, LABIAL))
    triangles = _triangles(vertex, eye_row, mouth_row)
    brow_row = _row_of(levels, BROW)
    return Grid(vertex, triangles, angle, level, below, eye_row, mouth_row, brow_row, lip_rows, (eyes[0], eyes[1]), mouth)


def _row_of(levels: Tensor, level: int) -> int:
    return int((levels - level).abs().argmin())


def quads(corners: Int[Tensor, "rows columns"]) -> Int[Tensor, "triangles 3"]:
    """Two triangles per cell of a grid of vertex indices whose rows go down and columns to the right; degenerate ones left out."""
    a, b, c, d = (part.reshape(-1) for part in (corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]))
    both = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    distinct = (both[:, 0] != both[:, 1]) & (both[:, 1] != both[:, 2]) & (both[:, 0] != both[:, 2])
    return both[distinct]


def _triangles(vertex: Tensor, eye_row: int, mouth_row: int) -> Int[Tensor, "triangles 3"]:
    """Vertex 0 is the crown; nothing lies between the two rows of a slit. Diagonals mirror each other across the middle."""
    around = torch.cat([vertex, vertex[:, :1]], dim=1)
    bands = [around[: eye_row + 1], around[eye_row + 1 : mouth_row + 1], around[mouth_row + 1 :]]
    crown = torch.stack([torch.zeros_like(around[0]), around[0]])
    half = vertex.shape[1] // 2 - 1
    pieces = []
    for band in [crown, *bands]:
        pieces.append(quads(band[:, : half + 1]))
        pieces.append(quads(band[:, half:].flip(1)).flip(1))
    return torch.cat(pieces)


def curve(name: str, angle: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
    """Height in cm of one of the `CURVES` at an angle in radians."""
    return through(CURVES[name], torch.rad2deg(angle.abs()))


def row_height(angle: Float[Tensor, " vertices"], level: Float[Tensor, " vertices"]) -> Float[Tensor, " vertices"]:
    """Height in cm of points at levels ≥ 1: linear between the lines above and below."""
    hairline, base = torch.full_like(angle, 4.0), torch.full_like(angle, -17.0)
    aside = soft_step(torch.rad2deg(angle.abs()), 18.0, 80.0)
    step = 0.35 + 0.6 * aside
    named = {name: curve(name, angle) for name in CURVES}
    above_jaw, under_jaw = named["jaw"] + step, named["jaw"] - step
    edges = [
        (hairline, named["brow"]),
        (named["brow"], named["crease"]),
        (named["crease"], named["eye_top"]),
        (named["eye_bottom"], named["bag"]),
        (named["bag"], named["tip"]),
        (named["tip"], named["base"]),
        (named["base"], named["lip_top"]),
        (named["lip_top"], named["mouth_top"]),
        (named["mouth_bottom"], named["lip_bottom"]),
        (named["lip_bottom"], named["labial"]),
        (named["labial"], above_jaw),
        (above_jaw, under_jaw),
        (under_jaw, base),
    ]
    band = level.floor().clamp(FOREHEAD, NECK).long()
    share = (level - band).clamp(0.0, 1.0)
    top, bottom = (torch.stack([edge[end] for edge in edges], 1).gather(1, band[:, None] - 1)[:, 0] for end in (0, 1))
    return top * (1 - share) + bottom * share


@dataclass(frozen=True)
class Part:
    """A piece of surface. triangles: indices into the whole head's vertices (own vertices start at the offset it was made with)."""

    points: Float[Tensor, "vertices 3"]
    triangles: Int[Tensor, "triangles 3"]


def fan_and_rings(rings: int, sectors: int, offset: int) -> Int[Tensor, "triangles 3"]:
    """Triangles of a disc: vertex 0 in the middle, then ring by ring, counter-clockwise."""
    numbers = torch.cat([torch.zeros(1, sectors, dtype=torch.int64), 1 + torch.arange(rings * sectors).view(rings, sectors)])
    return quads(torch.cat([numbers, numbers[:, :1]], dim=1)) + offset
