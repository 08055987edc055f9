"""Differences that go together: of sex, age, weight, ancestry; and the slight asymmetry of every face."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from cddfm.head.clay import Clay
from cddfm.head.numerics import soft_step

GROUPS: dict[str, dict[str, float]] = {
    "masculinity": {
        "browRidge": 0.8, "jawWidth": 0.45, "jawAngle": 0.7, "chinWidth": 0.6, "chinLength": 0.4, "chinProtrusion": 0.3, "noseLength": 0.25,
        "noseWidth": 0.25, "noseBridge": 0.25, "browHeight": -0.6, "eyeSize": -0.4, "upperLip": -0.4, "lowerLip": -0.3, "larynx": 0.9,
        "neckWidth": 0.7, "foreheadSlope": -0.4, "cheekFullness": -0.25, "browHair": 0.5, "lashLength": -0.5,
        "browArch": -0.6, "lipCorners": -0.15, "foreheadRound": -0.4,
    },
    "ageing": {
        "jowls": 0.7, "nasolabialFolds": 0.9, "marionetteLines": 1.1, "foreheadLines": 1.0, "eyeBags": 1.1, "crowsFeet": 1.1,
        "hollowCheeks": 0.4, "upperLip": -0.4, "lowerLip": -0.35, "earLobe": 0.6, "earSize": 0.3, "noseLength": 0.25, "tipAngle": -0.3,
        "lidFold": 0.7, "browHeight": -0.35, "philtrumLength": 0.35, "lipCorners": -0.4, "doubleChin": 0.25, "eyeOpening": -0.4,
    },
    "childlikeness": {
        "smallFace": 1.0, "cheekFullness": 0.8, "foreheadRound": 0.9, "noseLength": -0.6, "noseBridge": -0.6, "noseTip": -0.3,
        "tipAngle": 0.5, "eyeSize": 0.9, "mouthWidth": -0.4, "browRidge": -0.7, "neckWidth": -0.9, "chinLength": -0.5,
        "jawWidth": -0.3, "earSize": -0.2,
        "craniumWidth": 0.3, "browHair": -0.5, "noseHump": -0.5,
    },
    "weight": {
        "cheekFullness": 0.9, "doubleChin": 0.9, "jowls": 0.4, "neckWidth": 0.7, "jawWidth": 0.35, "hollowCheeks": -0.7, "faceWidth": 0.3,
        "cheekbones": -0.3, "eyeOpening": -0.2,
    },
    "ancestryWest": {
        "noseWidth": 0.8, "nostrilFlare": 0.8, "noseBridge": -0.8, "noseTip": -0.5, "bridgeWidth": 0.6, "tipWidth": 0.6, "upperLip": 0.9,
        "lowerLip": 0.8, "mouthProtrusion": 0.7, "mouthWidth": 0.4, "foreheadRound": 0.5, "chinProtrusion": -0.4, "noseHump": -0.4,
    },
    "ancestryEast": {
        "epicanthus": 1.0, "noseBridge": -0.7, "midface": -0.3, "cheekbones": 0.7, "eyeDepth": 0.7, "eyeTilt": 0.5, "browRidge": -0.5,
        "noseTip": -0.4, "eyeOpening": -0.4, "noseHump": -0.5, "browHeight": 0.3,
    },
    "ancestrySouth": {
        "noseHump": 0.8, "noseLength": 0.5, "tipAngle": -0.5, "eyeSize": 0.6, "browHair": 0.6, "lashLength": 0.5, "lidFold": 0.4,
        "noseBridge": 0.5, "browSpacing": -0.5, "eyeDepth": -0.4,
    },
}  # fmt: skip
"""Standard deviations of single features (of `features.py`) per standard deviation of the group."""

PRIVATE = ("larynx", "jawAngle", "jowls", "marionetteLines", "foreheadLines", "eyeBags", "crowsFeet", "doubleChin", "hollowCheeks",
           "nostrilFlare", "epicanthus", "browSpacing", "smallFace")  # fmt: skip
"""Features that are no modes of their own: they belong to one group, which makes the modes linearly independent."""

ASYMMETRY: dict[str, Callable[[Clay], Tensor]] = {
    "skewJaw": lambda c: c.shift(soft_step(c.y, -5.0, -10.5) * c.front, 0.09, 0.0, 0.0),
    "skewNose": lambda c: c.shift(c.one(0.0, -2.6, 1.0, 1.4), 0.06, 0.0, 0.0),
    "skewMouth": lambda c: c.shift(c.one(2.2, -6.9, 1.0, 0.8) - c.one(-2.2, -6.9, 1.0, 0.8), 0.0, 0.05, 0.0),
    "skewEyes": lambda c: c.shift(c.one(3.2, 0.3, 1.8, 1.4) - c.one(-3.2, 0.3, 1.8, 1.4), 0.0, 0.045, 0.0),
    "skewBrows": lambda c: c.shift(c.one(3.4, 2.6, 1.8, 0.8) - c.one(-3.4, 2.6, 1.8, 0.8), 0.0, 0.055, 0.0),
    "skewCheeks": lambda c: c.shift(c.one(4.6, -3.5, 2.0, 2.4) - c.one(-4.6, -3.5, 2.0, 2.4), 0.035, 0.0, 0.03),
}
"""One side against the other, in cm per standard deviation."""
