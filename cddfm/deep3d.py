"""Deep3DFaceRecon's camera, pose and light (Deng et al. 2019, the PyTorch release) in our conventions: see docs/conventions.md.

Its unit is the decimetre, its origin the mean of the model's vertices. Its head is turned by R = Rz · Ry · Rx about that origin and moved
by t; its camera stands 10 in front of the origin and sees 224 pixels with a focal length of 1015 pixels. Its light is one list of nine
numbers per colour, to whose first 0.8 is added; its harmonics carry signs and factors that ours do not.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.camera import Camera, rotation
from cddfm.lighting import AXIAL, CROSS, LINEAR, SQUARE
from cddfm.morphable import MorphableModel
from cddfm.params import LIGHT_BANDS, SH_CONSTANT

FOCAL, SIDE = 1015.0, 224
"""Pixels."""

DISTANCE, UNIT = 10.0, 10.0
"""Decimetres from its origin to its camera; our centimetres in one of its units."""

LIGHT_OFFSET = 0.8

LOBE = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
"""Its factors of the three orders of harmonics."""

_ORDERS = (0, 1, 1, 1, 2, 2, 2, 2, 2)
_SIGNS = (1, -1, 1, -1, 1, -1, 1, -1, 1)

# Its constants before 1, y, z, x, xy, yz, 3z²−1, xz, x²−y², and ours.
_SECOND = math.sqrt(15 / (4 * math.pi))
_THEIRS = (
    SH_CONSTANT, *[LINEAR] * 3, _SECOND, _SECOND, _SECOND / (2 * math.sqrt(3)), _SECOND, _SECOND / 2,
)  # fmt: skip
_OURS = (SH_CONSTANT, LINEAR, LINEAR, LINEAR, CROSS, CROSS, AXIAL, CROSS, SQUARE)


def origin_of(model: MorphableModel) -> Float[Tensor, 3]:
    """Where its origin lies in our frame (cm), for a model that was read from its file."""
    return model.mean.mean(dim=0)


def camera(model: MorphableModel) -> Camera:
    """Its camera, for pictures that were cropped as it crops them."""
    origin = origin_of(model)
    distance = float(origin[2]) + DISTANCE * UNIT
    return Camera(distance, distance * (SIDE / 2) / FOCAL, float(origin[1]), float(origin[0]))


def pose(
    model: MorphableModel, angles: Float[Tensor, "batch 3"], translation: Float[Tensor, "batch 3"]
) -> tuple[Float[Tensor, "batch 3"], Float[Tensor, "batch 3"]]:
    """Its angles (radians about x, y, z) and translation (its unit) → our pose and translation (cm)."""
    ours = angles * angles.new_tensor([-1.0, 1.0, 1.0])
    arm = (model.pivot - origin_of(model)).to(angles)
    return ours, translation * UNIT + rotation(ours) @ arm - arm


def light(gamma: Float[Tensor, "batch 27"]) -> Float[Tensor, "batch 27"]:
    """Its lighting numbers (colour by colour) → our light: the same shading of every normal.

    It multiplies sRGB colours by this shading and we multiply linear ones, so pictures agree where the shading is near 1 and differ in
    contrast elsewhere.
    """
    numbers = gamma.unflatten(1, (3, LIGHT_BANDS)).transpose(1, 2)
    offset = torch.zeros_like(numbers)
    offset[:, 0] = LIGHT_OFFSET
    return ((numbers + offset) * _factors(gamma)[:, None]).flatten(1)


def gamma(light: Float[Tensor, "batch 27"]) -> Float[Tensor, "batch 27"]:
    """The inverse of `light`."""
    numbers = light.unflatten(1, (LIGHT_BANDS, 3)) / _factors(light)[:, None]
    offset = torch.zeros_like(numbers)
    offset[:, 0] = LIGHT_OFFSET
    return (numbers - offset).transpose(1, 2).flatten(1)


def _factors(like: Tensor) -> Float[Tensor, 9]:
    bands = zip(_SIGNS, _ORDERS, _THEIRS, _OURS, strict=True)
    return like.new_tensor([sign * LOBE[order] * theirs / ours for sign, order, theirs, ours in bands])
