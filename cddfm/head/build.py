"""The built-in parametric head: template, bases and reflectance behind the interface of every morphable model."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from cddfm.head.albedo import albedo_modes, mean_albedo
from cddfm.head.expression import expression_modes
from cddfm.head.grid import JAW
from cddfm.head.identity import identity_modes
from cddfm.head.numerics import soft_step
from cddfm.head.paint import Paint, make_paint
from cddfm.head.template import Template, make_template
from cddfm.morphable import MorphableModel

NAME = "built-in head"

PIVOT = (0.0, -4.0, -7.0)
"""Where the skull sits on the neck, lifted so that nodding keeps the face in the picture."""


@dataclass(frozen=True)
class Head:
    """The model, and which vertices belong to which region (regions may overlap: lids and lips are face, too)."""

    model: MorphableModel
    regions: dict[str, Bool[Tensor, " vertices"]]


@functools.cache
def build_head() -> Head:
    """Sculpt the head (about two seconds, no files); the same object every time."""
    template = make_template()
    paint = make_paint(template)
    albedo = mean_albedo(template, paint)
    regions = make_regions(template, paint)
    identity, expression, colours = (
        identity_modes(template),
        expression_modes(template),
        albedo_modes(template, paint, albedo),
    )
    model = MorphableModel(
        name=NAME,
        mean=template.points.float(),
        identity_basis=torch.stack(list(identity.values())).float(),
        expression_basis=torch.stack(list(expression.values())).float(),
        albedo_mean=albedo.float(),
        albedo_basis=torch.stack(list(colours.values())).float(),
        triangles=template.triangles,
        landmarks=template.landmarks,
        skin=regions["face"] & regions["skin"],
        pivot=torch.tensor(PIVOT),
        identity_names=tuple(identity),
        expression_names=tuple(expression),
        albedo_names=tuple(colours),
    )
    return Head(model, regions)


def make_regions(template: Template, paint: Paint) -> dict[str, Bool[Tensor, " vertices"]]:
    """Named sets of vertices."""
    x, y, z = template.points.unbind(-1)
    side = x.abs()
    skin = template.mask("skin")
    hairline = 7.0 - 3.0 * soft_step(side, 3.5, 6.6)
    hair_limit = soft_step(y, 2.0, -6.0) * 3.0
    scalp = skin & (((y > hairline) & (z > -5.0)) | ((z <= -5.0) & (y > 1.5)) | ((z < -6.5 - hair_limit) & (y > -6.5)))
    neck = skin & (template.level > JAW + 0.5)
    face = skin & ~scalp & ~neck & (z > -6.0)
    near_eye = ((side - 3.15) / 1.6) ** 2 + ((y - 0.1) / 1.0) ** 2 < 1.0
    hairs = template.mask("brow_R", "brow_L")
    return {
        "skin": template.mask("skin", "ear_R", "ear_L") & ~scalp,
        "scalp": scalp,
        "face": face,
        "brows": (paint.brows > 0.35) | hairs,
        "brow_hairs": hairs,
        "lashes": template.mask("lashes_R", "lashes_L"),
        "lids": (face & near_eye) | template.mask("rim_R", "rim_L", "caruncle_R", "caruncle_L"),
        "lips": paint.lips > 0.5,
        "nostrils": paint.nostrils > 0.5,
        "eyeballs": template.mask("eyeball_R", "eyeball_L"),
        "iris": (paint.iris + paint.pupil) > 0.5,
        "teeth": template.mask("teeth_upper", "teeth_lower"),
        "tongue": template.mask("tongue"),
        "mouth_interior": template.mask("bag", "tongue"),
        "ears": template.mask("ear_R", "ear_L"),
        "neck": neck,
    }
