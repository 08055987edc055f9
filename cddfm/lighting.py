"""Light as nine real spherical harmonics: shading, named lights, and exact turning of a light.

Real orthonormal harmonics in the order 1, y, z, x, xy, yz, 3z²−1, xz, x²−y². A light is 9 bands × RGB, flattened band-major, and already
holds the cosine kernel of Lambertian reflection: shading(n) = Y(n) · light, without a further 1/π. Turning goes through the quadratic form
of Ramamoorthi and Hanrahan ("An Efficient Representation for Irradiance Environment Maps", 2001, equation 12). Angles in radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.camera import rotation
from cddfm.params import LIGHT_BANDS, SH_CONSTANT

LINEAR = math.sqrt(3 / (4 * math.pi))
CROSS = math.sqrt(15 / (4 * math.pi))
AXIAL = math.sqrt(5 / (16 * math.pi))
SQUARE = math.sqrt(15 / (16 * math.pi))

COSINE_KERNEL = (math.pi, *[2 * math.pi / 3] * 3, *[math.pi / 4] * 5)
"""Band by band, the convolution of a function on the sphere with max(0, cos)."""

LUMINANCE = (0.2126, 0.7152, 0.0722)


def harmonics(normals: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 9"]:
    """Y(n) for unit normals."""
    x, y, z = normals.unbind(-1)
    return torch.stack(
        [
            torch.full_like(x, SH_CONSTANT),
            LINEAR * y,
            LINEAR * z,
            LINEAR * x,
            CROSS * x * y,
            CROSS * y * z,
            AXIAL * (3 * z * z - 1),
            CROSS * x * z,
            SQUARE * (x * x - y * y),
        ],
        dim=-1,
    )


def shade(normals: Float[Tensor, "batch *shape 3"], light: Float[Tensor, "batch 27"]) -> Float[Tensor, "batch *shape 3"]:
    """Linear RGB by which reflectance is multiplied; 1 everywhere under the neutral light. May be negative where a light is one-sided."""
    bands = light.unflatten(1, (LIGHT_BANDS, 3))
    return (harmonics(normals).flatten(1, -2) @ bands).view(normals.shape)


def direction(azimuth: Float[Tensor, batch], elevation: Float[Tensor, batch]) -> Float[Tensor, "batch 3"]:
    """Unit vector towards a light: azimuth > 0 stands at the viewer's right, elevation > 0 above; 0, 0 is at the camera."""
    return torch.stack([elevation.cos() * azimuth.sin(), elevation.sin(), elevation.cos() * azimuth.cos()], dim=-1)


def light_from(
    azimuth: Float[Tensor, batch],
    elevation: Float[Tensor, batch],
    intensity: Float[Tensor, batch],
    ambient: Float[Tensor, batch],
    colour: Float[Tensor, "batch 3"],
) -> Float[Tensor, "batch 27"]:
    """One distant light of a colour plus white ambient light.

    ambient: shading without the distant light. intensity: what the distant light adds, about, where it falls straight on.
    """
    kernel = torch.tensor(COSINE_KERNEL, device=azimuth.device)
    lobe = harmonics(direction(azimuth, elevation)) * kernel
    bands = intensity[:, None, None] * lobe.unsqueeze(-1) * colour.unsqueeze(1)
    constant = torch.zeros_like(bands)
    constant[:, 0] = ambient.unsqueeze(-1) / SH_CONSTANT
    return (bands + constant).flatten(1)


def dominant(light: Float[Tensor, "batch 27"]) -> tuple[Float[Tensor, batch], Float[Tensor, batch]]:
    """Azimuth and elevation from which most light comes (the linear bands' direction); 0, 0 for an ambient light."""
    grey = light.unflatten(1, (LIGHT_BANDS, 3)) @ torch.tensor(LUMINANCE, device=light.device)
    y, z, x = grey[:, 1], grey[:, 2], grey[:, 3]
    return torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z))


@dataclass(frozen=True)
class NamedLight:
    """One distant light and white ambient light, by name, per image. azimuth, elevation: radians. intensity: of the strongest colour
    channel. colour: relative to that, in [0, 1]. ambient: shading without the distant light."""

    azimuth: Float[Tensor, batch]
    elevation: Float[Tensor, batch]
    intensity: Float[Tensor, batch]
    ambient: Float[Tensor, batch]
    colour: Float[Tensor, "batch 3"]

    def bands(self) -> Float[Tensor, "batch 27"]:
        return light_from(self.azimuth, self.elevation, self.intensity, self.ambient, self.colour)

    @staticmethod
    def of(light: Float[Tensor, "batch 27"]) -> NamedLight:
        """The nearest such light: direction and colour of the linear bands, and what is left of the constant one; inverts `bands`."""
        azimuth, elevation = dominant(light)
        bands = light.unflatten(1, (LIGHT_BANDS, 3))
        towards = direction(azimuth, elevation)[:, [1, 2, 0]]
        strength = torch.einsum("bic,bi->bc", bands[:, 1:4], towards) / (LINEAR * COSINE_KERNEL[1])
        strength = strength.clamp(min=0.0)
        intensity = strength.amax(dim=1)
        ambient = (bands[:, 0] - strength * SH_CONSTANT * COSINE_KERNEL[0]).mean(dim=1) * SH_CONSTANT
        lit = (intensity > 1e-6).unsqueeze(1)
        colour = torch.where(lit, strength / intensity.clamp(min=1e-6).unsqueeze(1), torch.ones_like(strength))
        return NamedLight(azimuth, elevation, intensity, ambient, colour)


def turn(
    light: Float[Tensor, "batch 27"], azimuth: Float[Tensor, batch], elevation: Float[Tensor, batch]
) -> Float[Tensor, "batch 27"]:
    """The light carried by `azimuth` around the vertical axis after `elevation` around the horizontal one: exact, no band is lost."""
    pose = torch.stack([elevation, azimuth, torch.zeros_like(azimuth)], dim=-1)
    turned = torch.eye(4, device=light.device, dtype=light.dtype).repeat(light.shape[0], 1, 1)
    turned[:, :3, :3] = rotation(pose)
    turned = turned.unsqueeze(1)
    return _bands(turned @ _form(light) @ turned.transpose(-1, -2))


def scale(light: Float[Tensor, "batch 27"], factor: Float[Tensor, batch]) -> Float[Tensor, "batch 27"]:
    """The same light, `factor` times as strong."""
    return light * factor.unsqueeze(1)


def to_srgb(linear: Tensor) -> Tensor:
    """Linear RGB → sRGB in [−1, 1] (IEC 61966-2-1); clamps to the displayable range."""
    value = linear.clamp(0.0, 1.0)
    curve = 1.055 * value.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return 2 * torch.where(value <= 0.0031308, 12.92 * value, curve) - 1


def _form(light: Tensor) -> Float[Tensor, "batch 3 4 4"]:
    """The symmetric matrix M of each colour with shading(n) = (n, 1)ᵀ M (n, 1)."""
    one, y, z, x, xy, yz, zz, xz, xx = light.unflatten(1, (LIGHT_BANDS, 3)).unbind(1)
    rows = [
        [SQUARE * xx - AXIAL * zz, CROSS / 2 * xy, CROSS / 2 * xz, LINEAR / 2 * x],
        [CROSS / 2 * xy, -SQUARE * xx - AXIAL * zz, CROSS / 2 * yz, LINEAR / 2 * y],
        [CROSS / 2 * xz, CROSS / 2 * yz, 2 * AXIAL * zz, LINEAR / 2 * z],
        [LINEAR / 2 * x, LINEAR / 2 * y, LINEAR / 2 * z, SH_CONSTANT * one],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _bands(form: Float[Tensor, "batch 3 4 4"]) -> Float[Tensor, "batch 27"]:
    """Inverse of `_form`; its upper left 3 × 3 has no trace, which rotations keep."""
    bands = [
        form[..., 3, 3] / SH_CONSTANT,
        form[..., 1, 3] * 2 / LINEAR,
        form[..., 2, 3] * 2 / LINEAR,
        form[..., 0, 3] * 2 / LINEAR,
        form[..., 0, 1] * 2 / CROSS,
        form[..., 1, 2] * 2 / CROSS,
        form[..., 2, 2] / (2 * AXIAL),
        form[..., 0, 2] * 2 / CROSS,
        (form[..., 0, 0] - form[..., 1, 1]) / (2 * SQUARE),
    ]
    return torch.stack(bands, dim=1).flatten(1)
