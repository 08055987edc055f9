"""Reflectance of the head: a mid skin tone, and named ways in which people's colours differ."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.numerics import bump, column, soft_step
from cddfm.head.paint import Paint, brow_mask
from cddfm.head.template import Template

SKIN = (0.50, 0.30, 0.21)
LIPS = (0.41, 0.155, 0.135)
BROWS = (0.085, 0.052, 0.036)
LASHES = (0.06, 0.035, 0.028)
SCLERA = (0.70, 0.67, 0.64)
IRIS = (0.125, 0.095, 0.065)
TEETH = (0.56, 0.51, 0.43)
GUMS = (0.30, 0.09, 0.08)
MOUTH = (0.10, 0.025, 0.022)


def mix(ground: Tensor, mask: Tensor, colour: tuple[float, ...], strength: float = 1.0) -> Tensor:
    cover = (strength * mask)[:, None]
    return ground * (1 - cover) + column(colour) * cover


def mean_albedo(template: Template, paint: Paint) -> Float[Tensor, "vertices 3"]:
    """Linear RGB reflectance of the mean head."""
    x, y, z = template.points.unbind(-1)
    side = x.abs()
    face = template.mask("skin").double()
    colour = column(SKIN).expand(len(x), 3)
    cheeks = face * bump(((side - 4.2) / 1.6) ** 2 + ((y + 3.0) / 1.6) ** 2) * (z > -5)
    colour = mix(colour, cheeks, (0.50, 0.235, 0.175), 0.5)
    colour = mix(colour, face * bump((x / 1.3) ** 2 + ((y + 3.6) / 1.0) ** 2), (0.50, 0.24, 0.18), 0.4)
    colour = mix(colour, face * bump(((side - 3.1) / 1.3) ** 2 + ((y - 0.1) / 0.9) ** 2) * (z > -3), (0.39, 0.21, 0.15), 0.45)
    colour = mix(colour, paint.lips, LIPS, 0.85)
    colour = mix(colour, paint.nostrils, (0.07, 0.03, 0.025), 0.9)
    colour = mix(colour, paint.brows, BROWS, 0.85)
    colour = mix(colour, paint.lashes, LASHES, 0.9)
    colour = mix(colour, paint.caruncle, (0.45, 0.18, 0.15), 0.8)
    colour = mix(colour, paint.sclera, SCLERA)
    colour = mix(colour, paint.iris, IRIS)
    limbus = paint.iris * soft_step(paint.iris_depth, 0.7, 1.0)
    colour = mix(colour, limbus, (0.03, 0.02, 0.015), 0.7)
    colour = mix(colour, paint.pupil, (0.008, 0.008, 0.008))
    colour = mix(colour, paint.teeth, TEETH)
    colour = mix(colour, paint.gums, GUMS)
    colour = mix(colour, paint.gaps, MOUTH, 0.35)
    return mix(colour, paint.mouth, MOUTH)


def speckle(points: Float[Tensor, "points 3"], frequency: float) -> Float[Tensor, " points"]:
    """A fixed irregular field in [-1, 1] from incommensurable waves."""
    value = torch.zeros(len(points), dtype=torch.float64)
    for index in range(7):
        phase = 2.399963 * index
        direction = column([math.cos(phase), math.sin(1.7 * phase), math.cos(2.3 * phase + 1)])
        value = value + torch.sin(frequency * (1 + 0.31 * index) * (points @ direction) + 5.1 * phase)
    return value / 7**0.5 / 1.6


def albedo_modes(template: Template, paint: Paint, mean: Float[Tensor, "vertices 3"]) -> dict[str, Float[Tensor, "vertices 3"]]:
    """Change of reflectance per standard deviation, by name."""
    points = template.points
    x, y, z = points.unbind(-1)
    side = x.abs()
    front = soft_step(z, -6.0, -3.0) * template.mask("skin")
    plain = paint.skin * (1 - paint.brows) * (1 - 0.9 * paint.lashes) * (1 - 0.9 * paint.nostrils)
    bare = plain * (1 - 0.75 * paint.lips)

    def spot(at_x: float, at_y: float, wide: float, tall: float) -> Tensor:
        return plain * front * bump(((side - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2)

    def tint(mask: Tensor, red: float, green: float, blue: float) -> Tensor:
        return mask[:, None] * column([red, green, blue])

    beard = bare * front * soft_step(y, -4.6, -5.8) * soft_step(side, 6.8, 5.5) * soft_step(y, -13.0, -11.0)
    beard = beard * (1 - bump((side / 1.6) ** 2 + ((y + 8.5) / 0.35) ** 2) * 0.5) * soft_step(y - 0.9 * side, -4.0, -9.0).clamp(min=0.25)
    thick = brow_mask(template, 1.3) - brow_mask(template, 0.75)
    longer = brow_mask(template, 1.0, 0.75, 6.1) - brow_mask(template, 1.0, 1.35, 5.2)
    hair = column(BROWS) - column(SKIN)
    dark_iris = paint.iris * (0.5 + 0.5 * (1 - paint.iris_depth))
    freckled = (speckle(points, 7.0) - 0.35).clamp(min=0.0) * (spot(2.6, -2.2, 2.2, 1.3) + spot(0.0, -2.0, 1.2, 1.2)).clamp(max=1.0)
    skin_tone = tint(bare, 0.155, 0.107, 0.080)
    skin_tone = skin_tone + tint(0.75 * paint.lips * plain, 0.10, 0.055, 0.045) + tint(paint.brows, 0.030, 0.020, 0.014)
    return {
        "skinTone": skin_tone,
        "redness": tint(bare, 0.012, -0.009, -0.007),
        "yellowness": tint(bare, 0.006, 0.003, -0.013),
        "saturation": tint(bare, -0.005, 0.005, 0.008),
        "cheekBlush": tint(spot(4.2, -3.0, 1.5, 1.4), 0.008, -0.022, -0.017),
        "noseRedness": tint(spot(0.0, -3.6, 1.2, 0.9), 0.008, -0.018, -0.013),
        "lipColour": tint(paint.lips, 0.030, -0.022, -0.010),
        "lipDarkness": tint(paint.lips, -0.040, -0.020, -0.016),
        "browDarkness": -0.22 * paint.brows[:, None] * mean + tint(paint.brows, -0.014, -0.010, -0.007),
        "browThickness": 0.30 * thick[:, None] * hair,
        "browLength": 0.30 * longer[:, None] * hair,
        "eyeShadow": tint(spot(3.2, 1.0, 1.4, 0.55), -0.032, -0.026, -0.017),
        "underEye": tint(spot(3.0, -1.1, 1.2, 0.45), -0.030, -0.024, -0.014),
        "stubble": tint(beard, -0.038, -0.021, -0.012),
        "freckles": tint(freckled, -0.055, -0.048, -0.038),
        "mottling": tint(bare * front * speckle(points, 1.3), 0.006, 0.006, 0.004),
        "irisBrightness": tint(dark_iris, 0.045, 0.040, 0.034),
        "irisBlue": tint(dark_iris, -0.022, 0.008, 0.042),
        "irisGreen": tint(dark_iris, -0.012, 0.016, -0.004),
        "foreheadLight": tint(bare * front * soft_step(y, 1.5, 5.0), 0.022, 0.015, 0.010),
    }
