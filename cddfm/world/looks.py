"""How skin, eyes, cloth and hair answer to light at one pixel: closed-form, in linear RGB. Vectors and colours are planes [3, pixels]."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.lighting import AXIAL, CROSS, LINEAR, SQUARE
from cddfm.params import SH_CONSTANT
from cddfm.world.vectors import dot, ramp, unit

IRIS_ANGLE = 0.47
PUPIL_ANGLE = 0.18


def colour_plane(values: tuple[float, float, float], like: Tensor) -> Float[Tensor, "3 1"]:
    return torch.tensor(values, device=like.device)[:, None]


def shade_planes(normal: Float[Tensor, "3 pixels"], light: Float[Tensor, "27 #pixels"]) -> Float[Tensor, "3 pixels"]:
    """`lighting.shade` for planes, a light per pixel or one for all."""
    x, y, z = normal
    bands = light.unflatten(0, (9, 3))
    if light.shape[1] == 1:
        basis = torch.stack([torch.full_like(x, SH_CONSTANT), LINEAR * y, LINEAR * z, LINEAR * x, CROSS * (x * y), CROSS * (y * z),
                             AXIAL * (3 * z * z - 1), CROSS * (x * z), SQUARE * (x * x - y * y)])  # fmt: skip
        return bands.squeeze(2).t() @ basis
    total = bands[0] * SH_CONSTANT + (bands[1] * y + bands[2] * z + bands[3] * x) * LINEAR
    total = total + CROSS * (bands[4] * (x * y) + bands[5] * (y * z) + bands[7] * (x * z))
    return total + bands[6] * (AXIAL * (3 * z * z - 1)) + bands[8] * (SQUARE * (x * x - y * y))


def eye_colour(spot: Float[Tensor, "3 pixels"], iris: Float[Tensor, "3 #pixels"], widen: float = 1.0) -> Float[Tensor, "3 pixels"]:
    """Reflectance of the eyeball. spot: direction from its centre, the pupil along +z. widen: factor on the iris."""
    spot = unit(spot)
    angle = spot[2].clamp(-1, 1).acos() / widen
    around = torch.atan2(spot[1], spot[0])
    fibres = 1 + 0.20 * torch.sin(around * 19) * torch.sin(around * 7 + 1) - 0.30 * ramp(spot[1], -0.1, 0.4)
    rim = 1 - 0.80 * ramp(angle, 0.37, IRIS_ANGLE)
    warm = ramp(angle, 0.33, 0.2) * 0.35
    coloured = (iris + (iris * colour_plane((1.6, 1.1, 0.6), iris) - iris) * warm) * (fibres * rim * (0.85 + 0.8 * ramp(angle, 0.42, 0.2)))
    coloured = coloured * ramp(angle, PUPIL_ANGLE - 0.025, PUPIL_ANGLE + 0.025) + 0.003
    white = colour_plane((0.50, 0.46, 0.44), iris) - ramp(angle, 0.5, 1.25) * colour_plane((0.10, 0.20, 0.19), iris)
    return coloured + (white - coloured) * ramp(angle, IRIS_ANGLE - 0.03, IRIS_ANGLE + 0.04)


def glint(normal: Float[Tensor, "3 pixels"], towards_light: Float[Tensor, "3 #pixels"], widen: float = 1.0) -> Float[Tensor, pixels]:
    """A window mirrored in the cornea, 0 to 1. The light is drawn towards the camera so that a glint always shows."""
    aside = torch.stack([torch.where(towards_light[0] < 0, -0.42, 0.42), 0.62 + 0 * towards_light[0], 1.7 + 0 * towards_light[0]])
    mirror = unit(towards_light + aside)
    return ramp(dot(normal, mirror), 1 - 0.017 * widen, 1 - 0.007 * widen)


def gloss(normal: Float[Tensor, "3 pixels"], towards_light: Float[Tensor, "3 #pixels"], sharpness: float) -> Float[Tensor, pixels]:
    """Blinn's highlight for a viewer along +z, with Schlick's rise towards grazing angles."""
    half = unit(towards_light + colour_plane((0.0, 0.0, 1.0), normal))
    grazing = 1 - (half[2]).clamp(0, 1)
    return dot(normal, half).clamp(min=0.0) ** sharpness * (1 + 3 * grazing**2)


def strand_light(
    tangent: Float[Tensor, "3 pixels"], mass: Float[Tensor, "3 pixels"], towards: Float[Tensor, "3 #pixels"], shift: Float[Tensor, pixels]
) -> tuple[Float[Tensor, pixels], Float[Tensor, pixels], Float[Tensor, pixels]]:
    """Kajiya and Kay's diffuse light, and two highlights in the manner of Marschner: a white one shifted to the root and a coloured,
    broader one shifted to the tip. mass: normal of the hair's mass. shift: irregularity of each hair."""
    along = unit(tangent)
    facing = dot(mass, towards)
    cosine = dot(along, towards)
    diffuse = (1 - cosine * cosine).clamp(min=0).sqrt()
    half = unit(towards + colour_plane((0.0, 0.0, 1.0), tangent))
    seen = ramp(facing, -0.45, 0.35)

    def lobe(offset: Tensor, sharpness: float) -> Tensor:
        sine = dot(along, half) + offset
        return torch.exp(-0.5 * (sine * sharpness) ** 2)

    return diffuse * (0.45 + 0.55 * ramp(facing, -0.7, 0.9)), lobe(0.09 + shift, 9.0) * seen, lobe(shift * 1.5 - 0.14, 4.5) * seen


def grain(place: Float[Tensor, "3 pixels"], phase: Float[Tensor, "2 #pixels"], frequency: float) -> Float[Tensor, pixels]:
    """An irregular field on the skin in about [−1, 1]; place in cm."""
    x, y, z = place
    a = torch.sin(frequency * x + phase[0] + 1.7 * torch.sin(0.61 * frequency * y + phase[1]))
    b = torch.sin(frequency * 1.13 * y - phase[1] + 1.5 * torch.sin(0.53 * frequency * z + 0.4 * frequency * x))
    return a * b
