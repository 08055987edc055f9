"""How skin, eyes and hair answer to light at one pixel: closed-form, in linear RGB."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

IRIS_ANGLE = 0.47
PUPIL_ANGLE = 0.19


def ramp(value: Tensor, low: float, high: float) -> Tensor:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3 - 2 * t)


def unit(vectors: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
    """Vectors of length 1; zero stays zero."""
    x, y, z = vectors.unbind(-1)
    return vectors * (x * x + y * y + z * z).clamp(min=1e-12).rsqrt().unsqueeze(-1)


def eye_colour(
    spot: Float[Tensor, "pixels 3"], iris: Float[Tensor, "pixels 3"], widen: float = 1.0
) -> Float[Tensor, "pixels 3"]:
    """Reflectance of the eyeball. spot: direction from its centre, the pupil along +z. widen: factor on the iris."""
    spot = unit(spot)
    angle = spot[:, 2].clamp(-1, 1).acos() / widen
    around = torch.atan2(spot[:, 1], spot[:, 0])
    fibres = 1 + 0.18 * torch.sin(around * 17) * torch.sin(around * 7 + 1) - 0.25 * ramp(spot[:, 1], -0.1, 0.4)
    rim = 1 - 0.75 * ramp(angle, 0.36, IRIS_ANGLE)
    coloured = iris * (fibres * rim * (0.8 + 0.7 * ramp(angle, 0.42, 0.2))).unsqueeze(1)
    coloured = coloured * ramp(angle, PUPIL_ANGLE - 0.03, PUPIL_ANGLE + 0.03).unsqueeze(1) + 0.004
    white = spot.new_tensor([0.54, 0.50, 0.48]) - ramp(angle, 0.5, 1.2).unsqueeze(1) * spot.new_tensor([0.10, 0.17, 0.17])
    return coloured + (white - coloured) * ramp(angle, IRIS_ANGLE - 0.02, IRIS_ANGLE + 0.05).unsqueeze(1)


def glint(
    normal: Float[Tensor, "pixels 3"], towards_light: Float[Tensor, "pixels 3"], cosine: float = 0.984
) -> Float[Tensor, pixels]:
    """The bright dot of a window mirrored in the cornea, 0 to 1. The light is drawn towards the camera so that a dot always shows."""
    mirror = unit(towards_light + towards_light.new_tensor([0.0, 0.25, 1.8]))
    return ramp((normal * mirror).sum(-1), cosine - 0.008, cosine + 0.006)


def gloss(
    normal: Float[Tensor, "*shape 3"], towards_light: Float[Tensor, "*shape 3"], sharpness: float
) -> Float[Tensor, "*shape"]:
    """Blinn's highlight for a viewer along +z."""
    half = unit(towards_light + towards_light.new_tensor([0.0, 0.0, 1.0]))
    return (normal * half).sum(-1).clamp(min=0.0) ** sharpness


def strand_colour(
    azimuth: Float[Tensor, pixels], length: Float[Tensor, pixels], phase: Float[Tensor, "pixels 8"], curl: Float[Tensor, pixels]
) -> Float[Tensor, pixels]:
    """Streaks along the strands, about 1: darker and lighter locks, finer hairs; broken up where hair is curly."""
    bend = 0.25 * torch.sin(length * 0.5 + phase[:, 0]) + curl * 0.25 * torch.sin(length * 1.7 + phase[:, 4])
    a = torch.sin(13 * (azimuth + bend * 0.25) + phase[:, 1] + 0.8 * torch.sin(length * 0.33 + phase[:, 2]))
    b = torch.sin(31 * azimuth + 2 * bend + phase[:, 3] + 0.7 * a)
    c = torch.sin(67 * azimuth + 4 * bend + phase[:, 5]) * torch.sin(23 * azimuth + phase[:, 6] + 0.15 * length)
    lumps = torch.sin(azimuth * 11 + phase[:, 2] + 2.0 * torch.sin(length * 0.9 + phase[:, 3])) * torch.sin(length * 1.9 + phase[:, 4])
    return (0.22 * a + 0.24 * b + 0.22 * c + (1.2 * curl).clamp(max=0.5) * lumps).exp()


def strand_gloss(
    tangent: Float[Tensor, "pixels 3"], normal: Float[Tensor, "pixels 3"], towards_light: Float[Tensor, "pixels 3"]
) -> Float[Tensor, pixels]:
    """Kajiya and Kay's highlight: bright where the strand is square to the half vector."""
    half = unit(towards_light + towards_light.new_tensor([0.0, 0.0, 1.0]))
    along = (unit(tangent) * half).sum(-1)
    return (1 - along * along).clamp(min=0.0) ** 14 * ramp((normal * half).sum(-1), 0.1, 0.8)
