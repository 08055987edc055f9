"""Reflectance of the head: a mid skin tone, and named ways in which people's colours differ."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.numerics import bump, column, soft_step
from cddfm.head.paint import Paint, brow_mask
from cddfm.head.strokes import front_distance
from cddfm.head.template import Template

SKIN = (0.50, 0.30, 0.21)
LIPS = (0.40, 0.155, 0.13)
BROWS = (0.095, 0.060, 0.042)
LASHES = (0.030, 0.020, 0.016)
SCLERA = (0.58, 0.54, 0.52)
IRIS = (0.125, 0.095, 0.065)
TEETH = (0.62, 0.57, 0.48)
GUMS = (0.34, 0.12, 0.10)
MOUTH = (0.055, 0.014, 0.012)
TONGUE = (0.36, 0.13, 0.115)


def mix(ground: Tensor, mask: Tensor, colour: tuple[float, ...], strength: float = 1.0) -> Tensor:
    cover = (strength * mask)[:, None]
    return ground * (1 - cover) + column(colour) * cover


def mean_albedo(template: Template, paint: Paint) -> Float[Tensor, "vertices 3"]:
    """Linear RGB reflectance of the mean head."""
    points = template.points
    x, y, z = points.unbind(-1)
    side = x.abs()
    face = template.mask("skin").double() * soft_step(z, -6.0, -3.5)
    colour = column(SKIN).expand(len(x), 3)

    def spot(at_x: float, at_y: float, wide: float, tall: float) -> Tensor:
        return face * bump(((side - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2)

    colour = mix(colour, spot(4.2, -3.0, 1.6, 1.6), (0.50, 0.235, 0.175), 0.45)
    colour = mix(colour, spot(0.0, -3.7, 1.2, 0.9), (0.50, 0.235, 0.175), 0.45)
    colour = mix(colour, spot(0.0, -10.2, 1.6, 1.0), (0.50, 0.26, 0.19), 0.35)
    colour = mix(colour, spot(3.0, 0.9, 1.2, 0.55), (0.43, 0.225, 0.165), 0.5)
    colour = mix(colour, spot(2.7, -0.95, 1.1, 0.5), (0.42, 0.225, 0.17), 0.45)
    colour = mix(colour, spot(2.0, -0.1, 0.45, 0.5), (0.37, 0.18, 0.13), 0.4)
    fold, share = front_distance(points, ((1.85, -4.0), (2.4, -4.8), (2.9, -5.8)))
    colour = mix(colour, face * bump((fold / 0.3) ** 2), (0.40, 0.21, 0.15), 0.35)
    ears = template.mask("ear_R", "ear_L").double()
    colour = mix(colour, ears, (0.52, 0.245, 0.18), 0.5)
    colour = colour * (1 + 0.035 * (face * speckle(points, 2.3))[:, None] * column([0.6, 1.0, 1.0]))
    colour = mix(colour, paint.lips, LIPS, 0.88)
    colour = mix(colour, paint.lip_line, (0.20, 0.055, 0.05), 0.75)
    colour = mix(colour, paint.nostrils, (0.05, 0.018, 0.015), 0.96)
    colour = mix(colour, paint.brows, BROWS, 0.74)
    colour = mix(colour, paint.wet, (0.52, 0.27, 0.23))
    colour = mix(colour, paint.lashes, LASHES, 0.95)
    colour = mix(colour, paint.caruncle, (0.47, 0.21, 0.18))
    colour = mix(colour, paint.sclera, SCLERA)
    colour = mix(colour, paint.iris, IRIS)
    limbus = paint.iris * soft_step(paint.iris_depth, 0.7, 1.0)
    colour = mix(colour, limbus, (0.03, 0.02, 0.015), 0.7)
    colour = mix(colour, paint.pupil, (0.008, 0.008, 0.008))
    colour = mix(colour, paint.teeth, TEETH)
    colour = mix(colour, paint.gums, GUMS)
    colour = mix(colour, paint.gaps, (0.12, 0.06, 0.045), 0.75)
    colour = mix(colour, paint.tongue, TONGUE)
    colour = mix(colour, paint.brow_hairs, (0.12, 0.076, 0.054))
    return mix(colour, paint.mouth, MOUTH)


def speckle(points: Float[Tensor, "points 3"], frequency: float) -> Float[Tensor, " points"]:
    """A fixed irregular field in [-1, 1] from incommensurable waves."""
    value = torch.zeros(len(points), dtype=torch.float64)
    for index in range(7):
        phase = 2.399963 * index
        direction = column([math.cos(phase), math.sin(1.7 * phase), math.cos(2.3 * phase + 1)])
        value = value + torch.sin(frequency * (1 + 0.31 * index) * (points @ direction) + 5.1 * phase)
    return value / 7**0.5 / 1.6


def scatter(points: Float[Tensor, "points 3"], share: float, seed: int) -> Float[Tensor, " points"]:
    """Vertices picked as if at random from their place (0 to 1): about this share of them."""
    place = (points * 50).round()
    noise = (torch.sin(place @ column([12.9898, 78.233, 37.719]) + seed) * 43758.5453) % 1.0
    return soft_step(noise, 1 - share, 1 - 0.4 * share)


def spots(points: Float[Tensor, "points 3"], count: int, seed: int) -> Float[Tensor, " points"]:
    """Blots of different sizes scattered over the face."""
    number = torch.arange(1, count + 1, dtype=torch.float64) + seed
    x = (2 * ((number * 0.61803398875) % 1.0) - 1) * 6.2
    y = -8.5 + 12.5 * ((number * 0.7548776662) % 1.0)
    radius = 0.10 + 0.16 * ((number * 0.5698402910) % 1.0) ** 2
    distance = torch.cdist(points[:, :2], torch.stack([x, y], dim=1))
    return soft_step(distance / radius, 1.5, 0.6).amax(1)


def beard_mask(template: Template, paint: Paint) -> Tensor:
    """Where a beard grows: moustache, chin, jaw up to the sideburns; not on the lips nor right under the lower one."""
    x, y, z = template.points.unbind(-1)
    side = x.abs()
    skin = template.mask("skin") * (1 - paint.lips)
    upper = -4.85 - 0.55 * soft_step(side, 0.9, 2.6) - 0.95 * soft_step(side, 2.2, 3.8) + 5.0 * soft_step(side, 4.8, 7.3)
    area = soft_step(y - upper, 0.7, -1.0) * soft_step(y, -12.6, -11.0) * soft_step(z, -7.6, -5.4)
    bald = bump(((side - 1.1) / 0.75) ** 2 + ((y + 8.35) / 0.28) ** 2)
    return skin * area * (1 - 0.7 * bald)


def albedo_modes(template: Template, paint: Paint, mean: Float[Tensor, "vertices 3"]) -> dict[str, Float[Tensor, "vertices 3"]]:
    """Change of reflectance per standard deviation, by name."""
    points = template.points
    x, y, z = points.unbind(-1)
    side = x.abs()
    front = soft_step(z, -6.0, -3.0) * template.mask("skin")
    plain = paint.skin * (1 - paint.brows) * (1 - 0.9 * paint.lashes) * (1 - paint.nostrils)
    bare = plain * (1 - 0.75 * paint.lips)

    def spot(at_x: float, at_y: float, wide: float, tall: float) -> Tensor:
        return plain * front * bump(((side - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2)

    def tint(mask: Tensor, red: float, green: float, blue: float) -> Tensor:
        return mask[:, None] * column([red, green, blue])

    beard = beard_mask(template, paint) * bare
    goatee = beard * (0.25 + 0.75 * bump((side / 2.9) ** 2) * soft_step(y, -12.0, -10.5))
    thick = brow_mask(template, 1.3) - brow_mask(template, 0.75)
    longer = brow_mask(template, 1.0, 0.75, 6.0) - brow_mask(template, 1.0, 1.35, 5.2)
    hair = column(BROWS) - column(SKIN)
    all_brows = (paint.brows + paint.brow_hairs).clamp(max=1.0)
    dark_iris = paint.iris * (0.5 + 0.5 * (1 - paint.iris_depth))
    cheeks = (spot(2.8, -2.3, 2.0, 1.3) + spot(0.0, -2.0, 1.2, 1.2) + 0.4 * spot(2.0, 4.0, 3.0, 1.5)).clamp(max=1.0)
    freckled = scatter(points, 0.30, 3) * cheeks
    aged = spots(points, 60, 11) * plain * front * soft_step(side, 1.5, 4.0) * soft_step(y, 5.0, 3.0) * soft_step(z, -4.0, -2.0)
    furrow, _ = front_distance(points, ((0.0, 3.4), (1.5, 3.6), (3.2, 3.4), (4.4, 2.9)))
    second, _ = front_distance(points, ((0.0, 4.3), (1.6, 4.5), (3.4, 4.2)))
    third, _ = front_distance(points, ((0.0, 5.2), (1.8, 5.3), (3.2, 5.0)))
    crow, _ = front_distance(points, ((4.7, 0.1), (5.5, 0.35), (6.0, 0.8)))
    crow_low, _ = front_distance(points, ((4.7, -0.15), (5.5, -0.5), (6.0, -0.6)))
    fold, _ = front_distance(points, ((1.85, -4.0), (2.4, -4.8), (2.9, -5.8), (3.1, -6.5)))
    lines = sum(bump((distance / 0.11) ** 2) for distance in (furrow, second, third, crow, crow_low)) + bump((fold / 0.16) ** 2)
    lines = (lines.clamp(max=1.0) * front * plain) + 0.6 * spot(3.0, -1.15, 1.1, 0.3)
    # In proportion to the colour that is there, so that blush and shadows keep their look on dark and light skin.
    tone = paint.skin * (1 - paint.lashes) * (1 - paint.nostrils) + paint.wet + paint.caruncle
    share = column([0.32, 0.345, 0.36]) + paint.lips[:, None] * column([-0.05, -0.11, -0.10])
    skin_tone = tone.clamp(max=1.0)[:, None] * mean * share + tint(paint.brow_hairs, 0.035, 0.022, 0.015)
    return {
        "skinTone": skin_tone,
        "redness": tint(bare, 0.014, -0.010, -0.008),
        "yellowness": tint(bare, 0.006, 0.003, -0.014),
        "cheekBlush": tint(spot(4.1, -3.0, 1.5, 1.4), 0.008, -0.022, -0.016),
        "noseRedness": tint(spot(0.0, -3.7, 1.2, 0.9), 0.006, -0.016, -0.012),
        "earRedness": tint(template.mask("ear_R", "ear_L").double(), 0.008, -0.013, -0.010),
        "lipColour": tint(paint.lips, 0.030, -0.026, -0.012),
        "lipDarkness": tint(paint.lips, -0.045, -0.022, -0.018),
        "browDarkness": -0.24 * all_brows[:, None] * mean + tint(all_brows, -0.012, -0.009, -0.006),
        "browThickness": 0.30 * thick[:, None] * hair,
        "browLength": 0.30 * longer[:, None] * hair,
        "eyeShadow": tint(spot(3.2, 1.0, 1.4, 0.5), -0.036, -0.028, -0.018),
        "eyeLiner": tint(spot(3.2, 0.35, 1.3, 0.3) + spot(3.2, -0.45, 1.2, 0.14), -0.040, -0.028, -0.020),
        "underEye": tint(spot(2.8, -1.05, 1.1, 0.42), -0.036, -0.030, -0.018),
        "stubble": tint(beard, -0.050, -0.026, -0.013),
        "beard": tint(goatee * (0.75 + 0.25 * scatter(points, 0.6, 7)), -0.095, -0.060, -0.042),
        "freckles": tint(freckled, -0.070, -0.062, -0.046),
        "ageSpots": tint(aged, -0.060, -0.052, -0.038),
        "wrinkleShade": tint(lines, -0.040, -0.030, -0.022),
        "mottling": tint(bare * front * speckle(points, 1.3), 0.008, 0.008, 0.006),
        "fineTexture": tint(bare * front * soft_step(y, 6.5, 4.0) * (scatter(points, 0.6, 5) - 0.5), 0.022, 0.018, 0.014),
        "irisBrightness": tint(dark_iris, 0.045, 0.040, 0.034),
        "irisBlue": tint(dark_iris, -0.022, 0.008, 0.042),
        "irisGreen": tint(dark_iris, -0.010, 0.011, -0.002),
        "foreheadLight": tint(bare * front * soft_step(y, 1.5, 5.0), 0.024, 0.016, 0.011),
        "teethWhite": tint(paint.teeth * (1 - paint.gums) * (1 - paint.gaps), 0.05, 0.06, 0.075),
    }
