"""Single features that differ between people: skull, brow, nose, mouth, jaw, ears, neck; and the shape of the eyes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cddfm.head.clay import Clay
from cddfm.head.lids import lids
from cddfm.head.numerics import bump, soft_step
from cddfm.head.sculpt import EYE_CENTRE

Field = Callable[[Clay], Tensor]


def _mouth(c: Clay) -> Tensor:
    return c.spot(0.0, -6.85, 2.3, 1.15)


def _cranium(c: Clay) -> Tensor:
    return soft_step(c.y, -2.0, 5.0)


def _ear_size(c: Clay) -> Tensor:
    return torch.stack([0.07 * (c.x - c.sign * 7.2), 0.07 * (c.y + 2.2), 0.07 * (c.z + 7.4)], dim=-1) * c.ears()[:, None]


def _ear_flare(c: Clay) -> Tensor:
    back = (-7.6 - c.z).clamp(min=0.0)
    return torch.stack([c.sign * 0.085 * back, c.zero, 0.02 * back], dim=-1) * c.ears()[:, None]


def _ear_lobe(c: Clay) -> Tensor:
    low = soft_step(c.y, -3.6, -5.0) * c.ears()
    return torch.stack([0.02 * c.sign * low, -0.24 * low, 0.0 * low], dim=-1)


SHAPE: dict[str, Field] = {
    "faceWidth": lambda c: c.move(outwards=0.034 * c.side),
    "faceHeight": lambda c: c.move(up=0.036 * c.y * soft_step(c.y, 2.0, -1.0) + 0.012 * c.y * soft_step(c.y, 0.0, 4.0)),
    "headDepth": lambda c: c.move(forward=0.05 * (c.z + 1.0).clamp(max=0.0)),
    "craniumWidth": lambda c: c.move(outwards=0.032 * c.side * _cranium(c)),
    "templeWidth": lambda c: c.move(outwards=0.16 * c.spot(6.6, 2.6, 1.6, 2.2)),
    "foreheadHeight": lambda c: c.move(up=0.36 * soft_step(c.y, 2.8, 9.0)),
    "foreheadSlope": lambda c: c.move(forward=0.42 * c.front * soft_step(c.y, 2.0, 8.0)),
    "foreheadRound": lambda c: c.move(forward=0.20 * c.spot(1.8, 5.0, 2.6, 1.6)),
    "browRidge": lambda c: (
        c.move(up=-0.05 * c.spot(2.8, 2.4, 3.0, 1.0), forward=0.15 * c.spot(2.4, 2.3, 2.2, 1.0))
        + c.stroke(((0.9, 2.0), (2.4, 2.3), (4.0, 2.2)), 0.45, 0.06, 0.0)
    ),
    "browHeight": lambda c: c.move(up=0.11 * c.spot(3.4, 2.6, 3.0, 1.0)),
    "browArch": lambda c: c.move(
        up=0.13 * c.spot(3.6, 2.8, 1.1, 0.8) - 0.10 * c.spot(1.2, 2.4, 0.9, 0.8) - 0.06 * c.spot(5.6, 1.9, 0.8, 0.8)
    ),
    "browSpacing": lambda c: c.move(outwards=0.09 * c.spot(1.6, 2.5, 1.1, 0.8)),
    "cheekbones": lambda c: (
        c.move(0.18 * c.spot(5.8, -1.8, 1.8, 1.4), 0.0, 0.12 * c.spot(4.8, -1.9, 1.5, 1.2))
        + c.stroke(((3.8, -1.8), (5.2, -1.5), (6.4, -1.1)), 0.6, 0.07, 0.0)
    ),
    "cheekFullness": lambda c: c.move(0.15 * c.spot(5.6, -5.8, 2.2, 2.2), 0.0, 0.13 * c.spot(4.0, -5.2, 1.9, 2.0)),
    "midface": lambda c: c.move(forward=0.17 * c.spot(0.0, -3.6, 3.0, 3.0)),
    "noseLength": lambda c: c.move(up=-0.17 * c.spot(0.0, -4.2, 1.6, 1.5)),
    "noseWidth": lambda c: c.move(outwards=0.10 * c.spot(1.25, -4.2, 0.65, 0.8)),
    "nostrilFlare": lambda c: c.move(
        0.06 * c.spot(1.3, -4.1, 0.45, 0.5), 0.05 * c.spot(1.2, -4.3, 0.5, 0.5), 0.06 * c.spot(1.2, -4.0, 0.4, 0.5)
    ),
    "noseBridge": lambda c: c.move(forward=0.24 * c.spot(0.0, -0.3, 0.9, 1.5)),
    "bridgeWidth": lambda c: c.move(outwards=0.09 * c.spot(0.75, -1.2, 0.45, 1.4)),
    "noseHump": lambda c: c.move(forward=0.13 * c.spot(0.0, -1.6, 0.7, 0.8) - 0.04 * c.spot(0.0, -3.2, 0.8, 0.6)),
    "noseTip": lambda c: c.move(forward=0.22 * c.spot(0.0, -3.2, 0.95, 1.2)),
    "tipAngle": lambda c: c.move(up=0.13 * c.spot(0.0, -3.6, 0.75, 0.8), forward=0.05 * c.spot(0.0, -3.0, 0.7, 0.5)),
    "tipWidth": lambda c: c.move(outwards=0.09 * c.spot(0.5, -3.4, 0.45, 0.6)),
    "philtrumLength": lambda c: c.move(up=-0.11 * c.spot(0.0, -6.4, 2.4, 0.9)),
    "mouthWidth": lambda c: c.move(outwards=0.055 * c.side * c.spot(0.0, -6.9, 3.2, 1.2)),
    "mouthProtrusion": lambda c: c.move(forward=0.20 * _mouth(c)),
    "upperLip": lambda c: c.move(up=0.10 * c.upper_lip(), forward=0.05 * c.upper_lip() + 0.05 * c.pout() * (c.level < 9)),
    "lowerLip": lambda c: c.move(up=-0.13 * c.lower_lip(), forward=0.05 * c.lower_lip() + 0.06 * c.pout() * (c.level >= 9)),
    "cupidBow": lambda c: c.move(up=0.07 * c.upper_lip() * (bump(((c.side - 0.6) / 0.3) ** 2) - 0.8 * bump((c.x / 0.25) ** 2))),
    "lipCorners": lambda c: c.move(up=0.08 * c.spot(2.4, -6.95, 0.6, 0.5)),
    "jawWidth": lambda c: c.move(outwards=0.17 * c.spot(6.0, -8.0, 2.4, 2.4)),
    "jawAngle": lambda c: c.move(
        0.15 * c.spot(6.2, -7.6, 1.4, 1.3), -0.16 * bump(((c.z + 4.0) / 1.8) ** 2 + ((c.y + 8.8) / 1.6) ** 2), 0.0
    ),
    "jawForward": lambda c: c.move(forward=0.19 * soft_step(c.y, -1.5, -9.0) * c.front),
    "chinLength": lambda c: c.move(up=-0.20 * soft_step(c.y, -7.4, -10.5) * c.front * bump((c.x / 5.0) ** 2)),
    "chinProtrusion": lambda c: c.move(forward=0.28 * c.spot(0.0, -10.3, 2.6, 1.5)),
    "chinWidth": lambda c: c.move(outwards=0.12 * c.spot(2.6, -10.4, 1.6, 1.4)),
    "chinCleft": lambda c: c.stroke(((0.0, -9.2), (0.0, -10.5)), 0.24, -0.05, 0.0) + c.stroke(((0.7, -9.6), (0.7, -10.2)), 0.45, 0.03, 0.0),
    "earSize": _ear_size,
    "earFlare": _ear_flare,
    "earLobe": _ear_lobe,
    "neckWidth": lambda c: c.move(outwards=0.06 * c.side * soft_step(c.y, -9.0, -13.0) * soft_step(c.z, 1.0, -2.0)),
    "larynx": lambda c: c.stroke(((0.0, -12.9), (0.0, -13.6)), 0.55, 0.13, 0.0, -7.0),
    "doubleChin": lambda c: (
        c.move(up=-0.22 * bump((c.x / 3.2) ** 2 + ((c.z + 1.2) / 1.7) ** 2) * soft_step(c.y, -9.5, -11.0) * c.skin)
        + c.stroke(((0.0, -12.2), (2.6, -11.8), (4.5, -10.8)), 0.8, 0.13, 0.0, -6.0)
    ),
    "jowls": lambda c: c.stroke(((3.3, -9.2), (4.5, -8.4)), 1.0, 0.12, 0.0) + c.move(up=-0.06 * c.spot(4.0, -8.6, 1.2, 1.4)),
    "nasolabialFolds": lambda c: (
        c.stroke(((1.85, -3.9), (2.4, -4.8), (2.95, -5.8), (3.2, -6.6)), 0.20, -0.075, 0.3)
        + c.stroke(((2.3, -3.7), (2.9, -4.6), (3.5, -5.7)), 0.42, 0.055, 0.0)
    ),
    "marionetteLines": lambda c: c.stroke(((2.75, -7.2), (3.0, -8.0), (2.95, -8.8)), 0.18, -0.055, 0.35),
    "foreheadLines": lambda c: (
        c.stroke(((0.0, 3.5), (1.5, 3.7), (3.4, 3.5)), 0.13, -0.035, 0.35)
        + c.stroke(((0.0, 4.4), (1.6, 4.6), (3.4, 4.3)), 0.13, -0.035, 0.35)
        + c.stroke(((0.0, 4.0), (1.5, 4.15), (3.2, 3.95)), 0.2, 0.02, 0.3)
        + c.stroke(((0.42, 1.9), (0.5, 2.6)), 0.12, -0.035, 0.3)
    ),
    "eyeBags": lambda c: (
        c.stroke(((2.1, -0.95), (3.0, -1.18), (4.1, -0.95)), 0.24, 0.06, 0.35)
        + c.stroke(((1.85, -0.8), (2.4, -1.45), (3.3, -1.75), (4.3, -1.4)), 0.18, -0.06, 0.35)
    ),
    "crowsFeet": lambda c: (
        c.stroke(((4.75, 0.15), (5.5, 0.4), (6.1, 0.9)), 0.11, -0.035, 0.4)
        + c.stroke(((4.75, -0.15), (5.5, -0.45), (6.1, -0.6)), 0.11, -0.035, 0.4)
    ),
    "hollowCheeks": lambda c: c.stroke(((5.4, -3.9), (4.8, -5.4)), 0.9, -0.14, 0.0),
    "smallFace": lambda c: c.move(
        outwards=-0.030 * c.side * soft_step(c.y, 3.0, -2.0) * c.front,
        up=-0.030 * (c.y - 1.0) * soft_step(c.y, 2.0, -2.0) * c.front,
        forward=-0.030 * (c.z + 4.0) * soft_step(c.y, 2.0, -2.0) * c.face,
    ),
    "browHair": lambda c: c.move(),
    "lashLength": lambda c: c.move(),
}
"""Fields in cm per standard deviation; around the eyes they act as a shift of the whole eye."""


def _scale_eyes(c: Clay) -> Tensor:
    near = soft_step(((c.side - EYE_CENTRE[0]) ** 2 + 1.2 * (c.y - EYE_CENTRE[1]) ** 2).sqrt(), 2.4, 1.35) * (c.z > -4.0)
    for part in ("eyeball_R", "eyeball_L", "rim_R", "rim_L"):
        near[c.template.part[part]] = 1.0
    offset = torch.stack([c.x - c.sign * EYE_CENTRE[0], c.y - EYE_CENTRE[1], c.z - EYE_CENTRE[2]], dim=-1)
    return 0.042 * near[:, None] * offset * offset.new_tensor([1.0, 1.0, 0.6])


def _tilt_eyes(c: Clay) -> Tensor:
    """Outer corners up, about the axis that looks forward: lids turn on the eyeball."""
    near = soft_step(((c.side - EYE_CENTRE[0]) ** 2 + 1.1 * (c.y - EYE_CENTRE[1]) ** 2).sqrt(), 2.3, 1.35) * (c.z > -4.0)
    for part in ("eyeball_R", "eyeball_L"):
        near[c.template.part[part]] = 0.0
    across, up = c.side - EYE_CENTRE[0], c.y - EYE_CENTRE[1]
    return 0.055 * near[:, None] * torch.stack([-up * c.sign, across, torch.zeros_like(up)], dim=-1)


def _epicanthus(c: Clay) -> Tensor:
    """A fold of the upper lid over the inner corner, less of a crease."""
    fold = c.stroke(((1.62, -0.15), (1.85, 0.25), (2.3, 0.62), (2.9, 0.88)), 0.20, 0.045, 0.3)
    crease = c.stroke(((2.2, 0.85), (3.1, 1.05), (4.2, 0.75)), 0.17, 0.035, 0.3)
    return fold + crease + c.move(up=-0.045 * c.spot(1.75, -0.05, 0.35, 0.35))


EYES: dict[str, Field] = {
    "eyeSize": _scale_eyes,
    "eyeTilt": _tilt_eyes,
    "eyeOpening": lambda c: lids(c.template, 1.0, -0.07, -0.035) + lids(c.template, -1.0, -0.07, -0.035),
    "eyeSpacing": lambda c: c.move(outwards=0.13 * _eye_region(c)),
    "eyeHeight": lambda c: c.move(up=0.10 * _eye_region(c)),
    "eyeDepth": lambda c: c.move(forward=0.12 * _eye_region(c)),
    "lidFold": lambda c: (
        c.stroke(((2.2, 0.95), (3.1, 1.15), (4.1, 0.95), (4.7, 0.35)), 0.22, 0.05, 0.3) + c.move(up=-0.05 * c.spot(3.4, 1.1, 1.2, 0.25))
    ),
    "epicanthus": _epicanthus,
}
"""Fields that shape the lids themselves or carry eyeballs and lids as wholes."""


def _eye_region(c: Clay) -> Tensor:
    """1 on eyeballs and lids, 0 on the nose and the brow."""
    distance = (((c.side - EYE_CENTRE[0]) / 1.15) ** 2 + (c.y - EYE_CENTRE[1]) ** 2).sqrt()
    near = soft_step(distance, 2.4, 1.2) * (c.z > -4.0)
    for part in ("eyeball_R", "eyeball_L", "rim_R", "rim_L"):
        near[c.template.part[part]] = 1.0
    return near
