"""Where the head has which colour: soft masks of skin, brows, lips, lashes, iris … on the mean geometry."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.eyes import IRIS_ANGLE, PUPIL_ANGLE, RINGS, SECTORS
from cddfm.head.grid import LABIAL, LOWER_LIP, UPPER_LIP
from cddfm.head.hairs import BROW_HALF, BROW_LINE
from cddfm.head.mouth import TOOTH_ROWS, tooth_columns
from cddfm.head.numerics import bump, soft_step, through
from cddfm.head.template import Template


@dataclass(frozen=True)
class Paint:
    """Soft masks in [0, 1] per vertex. `skin` is everything with the skin's own colour, lips and ears included."""

    skin: Float[Tensor, " vertices"]
    brows: Float[Tensor, " vertices"]
    brow_hairs: Float[Tensor, " vertices"]
    lips: Float[Tensor, " vertices"]
    lip_line: Float[Tensor, " vertices"]
    lashes: Float[Tensor, " vertices"]
    wet: Float[Tensor, " vertices"]
    nostrils: Float[Tensor, " vertices"]
    caruncle: Float[Tensor, " vertices"]
    sclera: Float[Tensor, " vertices"]
    iris: Float[Tensor, " vertices"]
    iris_depth: Float[Tensor, " vertices"]
    pupil: Float[Tensor, " vertices"]
    teeth: Float[Tensor, " vertices"]
    gums: Float[Tensor, " vertices"]
    gaps: Float[Tensor, " vertices"]
    tongue: Float[Tensor, " vertices"]
    mouth: Float[Tensor, " vertices"]


def brow_mask(template: Template, thickness: float = 1.0, start: float = 0.95, length: float = 5.7) -> Tensor:
    """Shade of both brows on the skin: a band around the brow line, thick at the nose, thin at the temple."""
    x, y, z = template.points.unbind(-1)
    side = x.abs()
    half = thickness * (through(BROW_HALF, side) + 0.03)
    across = soft_step((y - through(BROW_LINE, side)).abs() / half, 1.35, 0.35)
    ends = soft_step(side, start - 0.35, start + 0.55) * soft_step(side, length + 0.2, length - 0.9)
    return across * ends * (z > -4.0) * template.mask("skin")


def lip_mask(template: Template) -> Tensor:
    """Red of the lips: between the rows of their borders, from corner to corner, softened by half a row."""
    x, y, z = template.points.unbind(-1)
    level = template.level
    band = soft_step(level, UPPER_LIP - 0.10, UPPER_LIP + 0.10) * soft_step(level, LABIAL + 0.10, LABIAL - 0.14)
    return band * soft_step(x.abs(), 2.5, 2.28) * (z > -3.0) * template.mask("skin")


def lash_masks(template: Template) -> tuple[Tensor, Tensor]:
    """Dark of the lashes (own triangles, and the lids' edges that they grow from) and the wet pink inner edge of the lids."""
    dark, wet = (torch.zeros(len(template.points), dtype=torch.float64) for _ in range(2))
    grid = template.grid
    for columns in grid.eye_columns:
        span = [columns[0] - 1, *columns, columns[-1] + 1]
        upper, lower = grid.vertex[grid.eye_row, span], grid.vertex[grid.eye_row + 1, list(columns)]
        dark[upper], dark[grid.vertex[grid.eye_row - 1, span]] = 0.95, 0.25
        dark[lower] = 0.40
    for side in "RL":
        dark[template.part[f"lashes_{side}"]] = 1.0
        rim = template.part[f"rim_{side}"]
        wet[rim] = 1.0
        count = (rim.stop - rim.start) // 2
        dark[rim.start : rim.start + count // 2] = 0.75
        dark[rim.start + count : rim.stop] = 0.5
        middle = soft_step(template.points[:, 0].abs(), 2.2, 2.6)
        dark[rim] = dark[rim] * middle[rim]
    return dark, wet


def make_paint(template: Template) -> Paint:
    points = template.points
    x, y, z = points.unbind(-1)
    zero = torch.zeros(len(points), dtype=torch.float64)
    tilt = torch.cat([zero[:1], torch.tensor(RINGS, dtype=torch.float64).repeat_interleave(SECTORS)])
    iris, pupil, sclera, depth = zero.clone(), zero.clone(), zero.clone(), zero.clone()
    for name in ("eyeball_R", "eyeball_L"):
        iris[template.part[name]] = ((tilt > PUPIL_ANGLE) & (tilt < IRIS_ANGLE)).double()
        pupil[template.part[name]] = (tilt < PUPIL_ANGLE).double()
        sclera[template.part[name]] = (tilt > IRIS_ANGLE).double()
        depth[template.part[name]] = ((tilt - PUPIL_ANGLE) / (IRIS_ANGLE - PUPIL_ANGLE)).clamp(0.0, 1.0)
    gums, gaps = zero.clone(), zero.clone()
    for name, upper in (("teeth_upper", True), ("teeth_lower", False)):
        place, within, _ = tooth_columns(upper)
        gums[template.part[name]] = torch.tensor([float(row < -0.1) for row in TOOTH_ROWS]).double().repeat_interleave(len(place))
        between = (within == 0.0).double() * (place.abs() > 1e-9) * 0.8 + (place.abs() < 1e-9) * 0.8
        shade = 1 - (1 - between) * (1 - 0.12 * place.abs().clamp(max=4.0))
        gaps[template.part[name]] = shade.repeat(len(TOOTH_ROWS)) * (1 - gums[template.part[name]])
    lashes, wet = lash_masks(template)
    lips = lip_mask(template)
    line = lips * bump(((template.level - LOWER_LIP) / 0.05) ** 2)
    return Paint(
        skin=template.mask("skin", "ear_R", "ear_L").double(),
        brows=brow_mask(template),
        brow_hairs=template.mask("brow_R", "brow_L").double(),
        lips=lips,
        lip_line=line,
        lashes=lashes,
        wet=wet,
        nostrils=soft_step(template.nostrils, 0.12, 0.6) * soft_step(y, -4.72, -4.5),
        caruncle=template.mask("caruncle_R", "caruncle_L").double(),
        sclera=sclera,
        iris=iris,
        iris_depth=depth,
        pupil=pupil,
        teeth=template.mask("teeth_upper", "teeth_lower").double(),
        gums=gums,
        gaps=gaps,
        tongue=template.mask("tongue").double(),
        mouth=template.mask("bag").double(),
    )
