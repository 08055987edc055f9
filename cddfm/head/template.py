"""The mean head: all parts in one mesh, warped onto the measured landmarks, with the labels that the bases need."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.head import parts
from cddfm.head.figures import MIRROR, mean_landmarks
from cddfm.head.grid import EYE, MOUTH, NOSE, Grid, make_grid
from cddfm.head.numerics import warp
from cddfm.head.sculpt import EYE_CENTRE, EYE_RADIUS, cover_eyes, sculpt_skin

PARTS = ("skin", "eyeball_R", "eyeball_L", "rim_R", "rim_L", "bag", "teeth_upper", "teeth_lower", "ear_R", "ear_L")


@dataclass(frozen=True)
class Template:
    """points: cm. part: where each part's vertices lie. level, below: the skin's row number and whether it lies under the mouth's slit
    (zero for other parts)."""

    points: Float[Tensor, "vertices 3"]
    triangles: Int[Tensor, "triangles 3"]
    landmarks: Int[Tensor, 68]
    part: dict[str, slice]
    level: Float[Tensor, " vertices"]
    below: Float[Tensor, " vertices"]
    grid: Grid

    def mask(self, *names: str) -> Bool[Tensor, " vertices"]:
        chosen = torch.zeros(len(self.points), dtype=torch.bool)
        for name in names:
            chosen[self.part[name]] = True
        return chosen

    @property
    def marks(self) -> Float[Tensor, "68 3"]:
        return self.points[self.landmarks]


def make_template() -> Template:
    grid = make_grid()
    skin = sculpt_skin(grid)
    landmarks = place_landmarks(grid, skin)
    goal = mean_landmarks()
    for reach in (7.0, 3.0):
        skin = skin + warp(skin, skin[landmarks], goal - skin[landmarks], reach)
    skin = clear_eyes(cover_eyes(skin, 0.05), 0.06)
    made, offset = [parts.Part(skin, grid.triangles)], len(skin)
    makers = (
        lambda at: parts.eyeball(-1, at),
        lambda at: parts.eyeball(1, at),
        lambda at: parts.lid_rim(grid, skin, -1, at),
        lambda at: parts.lid_rim(grid, skin, 1, at),
        lambda at: parts.mouth_bag(grid, skin, at),
        lambda at: parts.teeth(True, at),
        lambda at: parts.teeth(False, at),
        lambda at: parts.ear(-1, at),
        lambda at: parts.ear(1, at),
    )
    for make in makers:
        made.append(make(offset))
        offset += len(made[-1].points)
    starts = torch.tensor([0] + [len(piece.points) for piece in made]).cumsum(0).tolist()
    level = torch.zeros(offset, dtype=torch.float64)
    below = torch.zeros_like(level)
    level[: len(skin)], below[: len(skin)] = grid.level, grid.below
    return Template(
        torch.cat([piece.points for piece in made]),
        torch.cat([piece.triangles for piece in made]),
        landmarks,
        {name: slice(starts[index], starts[index + 1]) for index, name in enumerate(PARTS)},
        level,
        below,
        grid,
    )


def clear_eyes(points: Float[Tensor, "points 3"], gap: float) -> Float[Tensor, "points 3"]:
    """Points pushed out of the eyeballs (radially, to `gap` outside)."""
    side = torch.where(points[:, :1] < 0, -1.0, 1.0)
    centre = torch.cat([EYE_CENTRE[0] * side, torch.full_like(side, EYE_CENTRE[1]), torch.full_like(side, EYE_CENTRE[2])], dim=1)
    outward = points - centre
    distance = outward.norm(dim=1, keepdim=True)
    return torch.where(distance < EYE_RADIUS + gap, centre + outward / distance * (EYE_RADIUS + gap), points)


def place_landmarks(grid: Grid, skin: Float[Tensor, "vertices 3"]) -> Int[Tensor, 68]:
    """Vertices that stand for the landmarks: lids and lips on their slits, the others where the raw skin comes nearest."""
    goal = mean_landmarks()
    landmarks = torch.zeros(68, dtype=torch.int64)
    columns = grid.vertex.shape[1]

    def nearest(number: int, candidates: Tensor) -> int:
        return int(candidates[(skin[candidates] - goal[number]).norm(dim=1).argmin()])

    middle = grid.vertex[:, columns // 2 - 1]
    eyes = list(grid.eye_columns[0])
    mouth = [column for column in grid.mouth_columns if column < columns // 2 - 1]
    level = grid.level[grid.vertex[:, 0]]
    rows = {
        "jaw": (level > EYE - 0.5).nonzero().flatten(),
        "brow": (level < EYE - 0.15).nonzero().flatten(),
        "nose": ((level > EYE - 0.4) & (level < MOUTH - 0.6)).nonzero().flatten(),
        "lip_upper": ((level > NOSE + 0.2) & (level < MOUTH - 0.05)).nonzero().flatten(),
        "lip_lower": (level > MOUTH + 0.05).nonzero().flatten(),
    }
    right = range(columns // 2 - 1)
    groups = {"jaw": range(0, 8), "brow": range(17, 22), "nose": (31, 32), "lip_upper": (49, 50), "lip_lower": (58, 59)}
    for name, numbers in groups.items():
        candidates = grid.vertex[rows[name]][:, list(right)].flatten()
        for number in numbers:
            landmarks[number] = nearest(number, candidates)
    for name, numbers in {"jaw": (8,), "nose": (27, 28, 29, 30, 33), "lip_upper": (51,), "lip_lower": (57,)}.items():
        for number in numbers:
            landmarks[number] = nearest(number, middle[rows[name]])
    upper_lid, lower_lid = grid.vertex[grid.eye_row, eyes], grid.vertex[grid.eye_row + 1, eyes]
    landmarks[36], landmarks[39] = grid.vertex[grid.eye_row, eyes[0] - 1], grid.vertex[grid.eye_row, eyes[-1] + 1]
    for number, edge in ((37, upper_lid), (38, upper_lid), (40, lower_lid), (41, lower_lid)):
        landmarks[number] = edge[(skin[edge, 0] - goal[number, 0]).abs().argmin()]
    corner = mouth[0] - 1
    landmarks[48], landmarks[60] = grid.vertex[grid.mouth_row, corner - 1], grid.vertex[grid.mouth_row, corner]
    for number, row in ((61, grid.mouth_row), (67, grid.mouth_row + 1)):
        edge = grid.vertex[row, mouth]
        landmarks[number] = edge[(skin[edge, 0] - goal[number, 0]).abs().argmin()]
    landmarks[62], landmarks[66] = middle[grid.mouth_row], middle[grid.mouth_row + 1]
    return mirror_landmarks(grid, landmarks)


def mirror_landmarks(grid: Grid, landmarks: Int[Tensor, 68]) -> Int[Tensor, 68]:
    """The left side's landmarks on the mirrored columns."""
    columns = grid.vertex.shape[1]
    opposite = torch.arange(len(grid.level))
    opposite[grid.vertex] = grid.vertex[:, (columns - 2 - torch.arange(columns)) % columns]
    complete = landmarks.clone()
    for number in range(68):
        if landmarks[number] == 0:
            complete[number] = opposite[landmarks[MIRROR[number]]]
    return complete
