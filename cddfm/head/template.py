"""The mean head: all parts in one mesh, warped onto the measured landmarks, with the labels that the bases need."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.head import ear, eyes, hairs, mouth
from cddfm.head.figures import MIRROR, mean_landmarks
from cddfm.head.grid import BASE, BROW, CHIN, LOWER_LID, Grid, Part, make_grid
from cddfm.head.numerics import column, warp
from cddfm.head.sculpt import EYE_CENTRE, EYE_RADIUS, LID, cover_eyes, sculpt_skin
from cddfm.head.strokes import carve_nostrils, draw_strokes

TAPER_FROM = 11
"""Column from the mid-line from which the lips run out to their corners."""


@dataclass(frozen=True)
class Template:
    """points: cm. part: where each part's vertices lie. level, below: the skin's band and share, and whether a point lies under the mouth's
    slit (zero for other parts). roots, shares: the skin vertices that a hair grows from, and their weights (parts in `hairs.PARTS`)."""

    points: Float[Tensor, "vertices 3"]
    triangles: Int[Tensor, "triangles 3"]
    landmarks: Int[Tensor, 68]
    part: dict[str, slice]
    level: Float[Tensor, " vertices"]
    below: Float[Tensor, " vertices"]
    grid: Grid
    roots: Int[Tensor, "hair 3"]
    shares: Float[Tensor, "hair 3"]
    nostrils: Float[Tensor, " vertices"]

    def mask(self, *names: str) -> Bool[Tensor, " vertices"]:
        chosen = torch.zeros(len(self.points), dtype=torch.bool)
        for name in names:
            chosen[self.part[name]] = True
        return chosen

    @property
    def marks(self) -> Float[Tensor, "68 3"]:
        return self.points[self.landmarks]

    @property
    def hair(self) -> slice:
        return slice(self.part[hairs.PARTS[0]].start, self.part[hairs.PARTS[-1]].stop)

    def attach(self, displacement: Float[Tensor, "vertices 3"]) -> Float[Tensor, "vertices 3"]:
        """The displacement with brows and lashes carried by the skin that they grow from (what they have of their own stays)."""
        carried = displacement.clone()
        carried[self.hair] += (displacement[self.roots] * self.shares[..., None]).sum(1)
        return carried

    def bald(self, displacement: Float[Tensor, "vertices 3"]) -> Float[Tensor, "vertices 3"]:
        """Without any motion of brows and lashes, ready for `attach`."""
        still = displacement.clone()
        still[self.hair] = 0.0
        return still


def make_template() -> Template:
    grid = make_grid()
    skin, landmarks, nostrils = make_skin(grid)
    made, offset = {"skin": Part(skin, grid.triangles)}, len(skin)
    makers = {
        "eyeball_R": lambda at: eyes.eyeball(-1, at),
        "eyeball_L": lambda at: eyes.eyeball(1, at),
        "rim_R": lambda at: eyes.lid_rim(grid, skin, -1, at),
        "rim_L": lambda at: eyes.lid_rim(grid, skin, 1, at),
        "caruncle_R": lambda at: eyes.caruncle(-1, at),
        "caruncle_L": lambda at: eyes.caruncle(1, at),
        "bag": lambda at: mouth.bag(grid, skin, at),
        "teeth_upper": lambda at: mouth.teeth(True, at),
        "teeth_lower": lambda at: mouth.teeth(False, at),
        "tongue": mouth.tongue,
        "ear_R": lambda at: ear.ear(-1, at),
        "ear_L": lambda at: ear.ear(1, at),
    }
    for name, make in makers.items():
        made[name] = make(offset)
        offset += len(made[name].points)
    roots, shares = [], []
    for name, make in hairs.makers(grid, skin).items():
        grown = make(offset)
        made[name] = grown.part
        roots.append(grown.roots)
        shares.append(grown.shares)
        offset += len(grown.part.points)
    starts = torch.tensor([0] + [len(piece.points) for piece in made.values()]).cumsum(0).tolist()
    level, below, hollow = (torch.zeros(offset, dtype=torch.float64) for _ in range(3))
    level[: len(skin)], below[: len(skin)], hollow[: len(skin)] = grid.level, grid.below, nostrils
    return Template(
        torch.cat([piece.points for piece in made.values()]),
        torch.cat([piece.triangles for piece in made.values()]),
        landmarks,
        {name: slice(starts[index], starts[index + 1]) for index, name in enumerate(made)},
        level,
        below,
        grid,
        torch.cat(roots),
        torch.cat(shares),
        hollow,
    )


def make_skin(grid: Grid) -> tuple[Float[Tensor, "vertices 3"], Int[Tensor, 68], Float[Tensor, " vertices"]]:
    """The finished skin, its landmarks, and how deep in a nostril each vertex lies (0 to 1)."""
    skin = sculpt_skin(grid)
    landmarks = place_landmarks(grid, skin)
    goal = mean_landmarks()
    for reach in (7.0, 3.0, 3.0):
        skin = skin + warp(skin, skin[landmarks], goal - skin[landmarks], reach)
    skin = draw_strokes(skin, grid.triangles)
    skin, nostrils = carve_nostrils(skin, grid)
    skin = clear_eyes(cover_eyes(skin, 0.6 * LID), 0.8 * LID)
    skin = taper_lips(skin, grid)
    features = [*range(27, 48)]
    skin = skin + warp(skin, skin[landmarks[features]], (goal - skin[landmarks])[features], 1.2)
    return seal_lips(clear_eyes(skin, 0.7 * LID), grid), landmarks, nostrils


def taper_lips(skin: Float[Tensor, "vertices 3"], grid: Grid) -> Float[Tensor, "vertices 3"]:
    """The outer third of the lips redrawn: each row runs evenly on to the corner, where all rows of the lips meet."""
    tapered = skin.clone()
    middle = grid.vertex.shape[1] // 2 - 1
    inner, corner = TAPER_FROM, len([column for column in grid.mouth_columns if column > middle]) + 1
    top, bottom = grid.lip_rows
    count = corner - inner
    for sign in (-1, 1):
        at = skin[grid.vertex[grid.mouth_row, middle + sign * corner]]
        for row in range(top - 5, bottom + 6):
            outside = max(top - row, row - bottom, 0)
            line = [skin[grid.vertex[row, middle + sign * step]] for step in (inner - 1, inner, corner)]
            share = (row - grid.mouth_row) / (bottom - top)
            meet = at + column([0.0, -0.16 * share, 0.02 * abs(share)])
            weight = max(0.0, 1.0 - outside / 4)
            end = line[2] * (1 - weight) + meet * weight
            straight = end - line[1]
            start_slope = 0.5 * straight + 0.4 * count * (line[1] - line[0])
            for step in range(inner + 1, corner + 1):
                t = (step - inner) / count
                curve = (
                    line[1] * (1 + 2 * t) * (1 - t) ** 2
                    + start_slope * t * (1 - t) ** 2
                    + end * t**2 * (3 - 2 * t)
                    + straight * t**2 * (t - 1)
                )
                vertex = grid.vertex[row, middle + sign * step]
                keep = min(1.0, outside / 5)
                tapered[vertex] = curve * (1 - keep) + skin[vertex] * keep
    return tapered


def seal_lips(skin: Float[Tensor, "vertices 3"], grid: Grid) -> Float[Tensor, "vertices 3"]:
    """The edges of the lips brought together, overlapping by a hair's breadth."""
    columns = list(grid.mouth_columns)
    upper, lower = grid.vertex[grid.mouth_row, columns], grid.vertex[grid.mouth_row + 1, columns]
    seam = (skin[upper] + skin[lower]) / 2
    overlap = column([0.0, 0.012, 0.0])
    sealed = skin.clone()
    sealed[upper], sealed[lower] = seam - overlap, seam + overlap
    return sealed


def clear_eyes(points: Float[Tensor, "points 3"], gap: float) -> Float[Tensor, "points 3"]:
    """Points pushed out of the eyeballs (radially, to `gap` outside)."""
    side = torch.where(points[:, :1] < 0, -1.0, 1.0)
    centre = torch.cat([EYE_CENTRE[0] * side, torch.full_like(side, EYE_CENTRE[1]), torch.full_like(side, EYE_CENTRE[2])], dim=1)
    outward = points - centre
    distance = outward.norm(dim=1, keepdim=True)
    return torch.where(distance < EYE_RADIUS + gap, centre + outward / distance * (EYE_RADIUS + gap), points)


def place_landmarks(grid: Grid, skin: Float[Tensor, "vertices 3"]) -> Int[Tensor, 68]:
    """Vertices that stand for the landmarks: brows, lids and lips on their rows, the others where the raw skin comes nearest."""
    goal = mean_landmarks()
    landmarks = torch.zeros(68, dtype=torch.int64)
    columns = grid.vertex.shape[1]
    centre = columns // 2 - 1
    right = grid.vertex[:, :centre]
    middle = grid.vertex[:, centre]
    level = grid.level[grid.vertex[:, 0]]

    def nearest(numbers: tuple[int, ...] | range, candidates: Tensor, axes: slice = slice(0, 3)) -> None:
        for number in numbers:
            landmarks[number] = candidates[(skin[candidates] - goal[number])[:, axes].norm(dim=1).argmin()]

    nearest(range(8), right[level > LOWER_LID - 0.7].flatten())
    nearest(range(17, 22), right[grid.brow_row], slice(0, 1))
    nearest((31, 32), right[(level > BASE - 0.8) & (level < BASE + 0.6)].flatten())
    nearest((8,), middle[level > CHIN])
    nearest((27, 28, 29, 30, 33), middle[(level > BROW) & (level < BASE + 0.6)])
    eye, mouth_columns = list(grid.eye_columns[0]), [c for c in grid.mouth_columns if c < centre]
    nearest((37, 38), grid.vertex[grid.eye_row, eye], slice(0, 1))
    nearest((40, 41), grid.vertex[grid.eye_row + 1, eye], slice(0, 1))
    landmarks[36], landmarks[39] = grid.vertex[grid.eye_row, eye[0] - 1], grid.vertex[grid.eye_row, eye[-1] + 1]
    corner = mouth_columns[0] - 1
    upper, lower = grid.lip_rows
    landmarks[48], landmarks[60] = grid.vertex[grid.mouth_row, corner], grid.vertex[grid.mouth_row, corner + 1]
    nearest((49, 50), grid.vertex[upper, mouth_columns], slice(0, 1))
    nearest((58, 59), grid.vertex[lower, mouth_columns], slice(0, 1))
    nearest((61,), grid.vertex[grid.mouth_row, mouth_columns], slice(0, 1))
    nearest((67,), grid.vertex[grid.mouth_row + 1, mouth_columns], slice(0, 1))
    landmarks[51], landmarks[57] = middle[upper], middle[lower]
    landmarks[62], landmarks[66] = middle[grid.mouth_row], middle[grid.mouth_row + 1]
    return mirror_landmarks(grid, landmarks)


def mirror_landmarks(grid: Grid, landmarks: Int[Tensor, 68]) -> Int[Tensor, 68]:
    """The left side's landmarks on the mirrored columns."""
    opposite = opposite_vertex(grid)
    complete = landmarks.clone()
    for number in range(68):
        if landmarks[number] == 0:
            complete[number] = opposite[landmarks[MIRROR[number]]]
    return complete


def opposite_vertex(grid: Grid) -> Int[Tensor, " vertices"]:
    """The skin vertex on the other side of the mid-line."""
    columns = grid.vertex.shape[1]
    opposite = torch.arange(len(grid.level))
    opposite[grid.vertex] = grid.vertex[:, (columns - 2 - torch.arange(columns)) % columns]
    return opposite
