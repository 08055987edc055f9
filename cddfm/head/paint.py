"""Where the head has which colour: soft masks of skin, brows, lips, lashes, iris … on the mean geometry."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.numerics import along, bump, soft_step
from cddfm.head.parts import EYE_RINGS, EYE_SECTORS, IRIS_ANGLE, PUPIL_ANGLE, TEETH_COLUMNS
from cddfm.head.template import Template


@dataclass(frozen=True)
class Paint:
    """Soft masks in [0, 1] per vertex. `skin` is everything with the skin's own colour, lips and ears included."""

    skin: Float[Tensor, " vertices"]
    brows: Float[Tensor, " vertices"]
    lips: Float[Tensor, " vertices"]
    lashes: Float[Tensor, " vertices"]
    nostrils: Float[Tensor, " vertices"]
    caruncle: Float[Tensor, " vertices"]
    sclera: Float[Tensor, " vertices"]
    iris: Float[Tensor, " vertices"]
    iris_depth: Float[Tensor, " vertices"]
    pupil: Float[Tensor, " vertices"]
    teeth: Float[Tensor, " vertices"]
    gums: Float[Tensor, " vertices"]
    gaps: Float[Tensor, " vertices"]
    mouth: Float[Tensor, " vertices"]


def brow_mask(template: Template, thickness: float = 1.0, start: float = 1.0, length: float = 5.75) -> Tensor:
    """Hairs of both brows: a band around the measured brow line, thick at the nose, thin at the temple."""
    x, y, z = template.points.unbind(-1)
    side = x.abs()
    line = along((0.9, 1.2, 2.4, 3.8, 4.9, 5.8), (2.32, 2.42, 2.72, 2.80, 2.52, 1.82), side)
    half = thickness * along((0.8, 1.8, 3.5, 5.0, 5.9), (0.36, 0.42, 0.37, 0.29, 0.22), side)
    across = soft_step((y - line + 0.12).abs() / half, 1.5, 0.45)
    ends = soft_step(side, start - 0.35, start + 0.4) * soft_step(side, length + 0.3, length - 0.9)
    return across * ends * (z > -4.0) * template.mask("skin")


def lip_mask(template: Template) -> Tensor:
    """Red of the lips, bounded by the measured outer outline."""
    x, y, z = template.points.unbind(-1)
    side = x.abs()
    upper = along((0.0, 0.35, 0.73, 1.7, 2.53), (-5.97, -5.84, -5.86, -6.22, -6.92), side)
    lower = along((0.0, 1.03, 1.8, 2.53), (-7.82, -7.74, -7.50, -7.0), side)
    inside = torch.minimum(upper - y, y - lower)
    return soft_step(inside, -0.14, 0.16) * soft_step(side, 2.62, 2.4) * (z > -3.0) * template.mask("skin")


def make_paint(template: Template) -> Paint:
    points = template.points
    x, y, z = points.unbind(-1)
    side, grid = x.abs(), template.grid
    zero = torch.zeros(len(points), dtype=torch.float64)
    lashes = zero.clone()
    for columns in grid.eye_columns:
        span = [columns[0] - 1, *columns, columns[-1] + 1]
        lashes[grid.vertex[grid.eye_row, span]] = 1.0
        lashes[grid.vertex[grid.eye_row + 1, list(columns)]] = 0.55
    lashes[template.part["rim_R"]] = 0.3
    lashes[template.part["rim_L"]] = 0.3
    on_skin = template.mask("skin")
    nostrils = bump(((side - 0.52) / 0.24) ** 2 + ((y + 4.6) / 0.17) ** 2) * (z > 0.0) * on_skin
    tilt = torch.cat([zero[:1], torch.tensor(EYE_RINGS, dtype=torch.float64).repeat_interleave(EYE_SECTORS)])
    iris, pupil, sclera, depth = zero.clone(), zero.clone(), zero.clone(), zero.clone()
    for name in ("eyeball_R", "eyeball_L"):
        iris[template.part[name]] = ((tilt > PUPIL_ANGLE) & (tilt < IRIS_ANGLE)).double()
        pupil[template.part[name]] = (tilt < PUPIL_ANGLE).double()
        sclera[template.part[name]] = (tilt > IRIS_ANGLE).double()
        depth[template.part[name]] = ((tilt - PUPIL_ANGLE) / (IRIS_ANGLE - PUPIL_ANGLE)).clamp(0.0, 1.0)
    gums, gaps = zero.clone(), zero.clone()
    for name, root in (("teeth_upper", 0), ("teeth_lower", 3)):
        row = torch.arange(4 * TEETH_COLUMNS) // TEETH_COLUMNS
        place = torch.arange(4 * TEETH_COLUMNS) % TEETH_COLUMNS - TEETH_COLUMNS // 2
        gums[template.part[name]] = (row == root).double()
        gaps[template.part[name]] = ((place % 6 == 0) & (row != root)).double() + 0.06 * place.abs() * (place % 6 != 0)
    rims = template.mask("rim_R", "rim_L").double()
    return Paint(
        skin=template.mask("skin", "ear_R", "ear_L", "rim_R", "rim_L").double(),
        brows=brow_mask(template),
        lips=lip_mask(template),
        lashes=lashes,
        nostrils=nostrils,
        caruncle=rims * soft_step(side, 2.5, 2.1),
        sclera=sclera,
        iris=iris,
        iris_depth=depth,
        pupil=pupil,
        teeth=template.mask("teeth_upper", "teeth_lower").double(),
        gums=gums,
        gaps=gaps,
        mouth=template.mask("bag").double(),
    )
