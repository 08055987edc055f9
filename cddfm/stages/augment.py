"""Augmentation of portraits with labels that stay true: where the picture is moved, scaled, turned or lit, so are its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera, rotation
from cddfm.lighting import harmonics, to_srgb
from cddfm.params import LIGHT_BANDS, FaceParams

PROBES = 64
"""Directions by which a light's turning is solved; any number from 9 on is exact."""


@dataclass(frozen=True)
class Strength:
    """How strong augmentation is, at most. shift: ndc. scale: relative. turn: radians. gain: relative, per picture; tint: relative, per
    channel. gamma, contrast: relative. soften: share of a 5-tap blur (or a third as much sharpening). coarse: chance of a resampling from
    down to 0.35 of the resolution. noise: deviation in [−1, 1] units. cover: chance of a covering rectangle."""

    shift: float = 0.1
    scale: float = 0.12
    turn: float = math.radians(10)
    gain: float = 0.12
    tint: float = 0.04
    gamma: float = 0.05
    soften: float = 0.7
    coarse: float = 0.15
    noise: float = 0.05
    cover: float = 0.2


@dataclass(frozen=True)
class Warp:
    """A similarity of the picture about its centre, q′ = scale · turn · q + shift in ndc (y up), and gains of linear RGB."""

    shift: Float[Tensor, "batch 2"]
    scale: Float[Tensor, " batch"]
    turn: Float[Tensor, " batch"]
    gain: Float[Tensor, "batch 3"]

    @staticmethod
    def draw(count: int, generator: torch.Generator, strength: Strength, device: torch.device) -> Warp:
        u = (2 * torch.rand(count, 8, generator=generator) - 1).to(device)
        gain = 1 + strength.gain * u[:, 4:5] + strength.tint * u[:, 5:8]
        return Warp(strength.shift * u[:, :2], (u[:, 2] * strength.scale).exp(), strength.turn * u[:, 3], gain)

    def repeated(self, times: int) -> Warp:
        """The same for as many batches one after the other."""
        return Warp(*(torch.cat([part] * times) for part in (self.shift, self.scale, self.turn, self.gain)))

    def images(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """The warped and lit pictures; reflected beyond the border."""
        cosine, sine = self.turn.cos() / self.scale, self.turn.sin() / self.scale
        back = torch.stack([torch.stack([cosine, sine], dim=-1), torch.stack([-sine, cosine], dim=-1)], dim=-2)
        offset = -(back @ self.shift.unsqueeze(-1))
        flip = torch.tensor([1.0, -1.0], device=images.device)  # ndc has y up, sampling grids have it down
        theta = torch.cat([back * flip[:, None] * flip[None, :], offset * flip[:, None]], dim=-1)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        warped = functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return to_srgb(to_linear(warped) * self.gain[:, :, None, None])

    def points(self, points: Float[Tensor, "batch points 2"]) -> Float[Tensor, "batch points 2"]:
        """Where places of the pictures, in ndc (y up), have gone."""
        cosine, sine = self.turn.cos(), self.turn.sin()
        turned = torch.stack([torch.stack([cosine, -sine], dim=-1), torch.stack([sine, cosine], dim=-1)], dim=-2)
        return self.scale[:, None, None] * points @ turned.mT + self.shift[:, None]

    def params(self, params: FaceParams, pivot: Float[Tensor, " 3"], camera: Camera | None = None) -> FaceParams:
        """The parameters that explain the warped pictures.

        The turn about the picture's centre is exact (the world turned about the camera's axis, its light with it); scale and shift are
        exact at the pivot's depth.
        """
        camera = camera or Camera()
        axis = torch.zeros(len(params), 3, device=params.pose.device)
        turned = rotation(torch.cat([axis[:, :2], self.turn[:, None]], dim=1))
        centre = torch.tensor([camera.centre_x, camera.centre_y, 0.0], device=params.pose.device)
        place = (turned @ (pivot + params.translation - centre).unsqueeze(-1)).squeeze(-1)
        depth = (camera.distance - place[:, 2:]) / self.scale[:, None]
        sideways = place[:, :2] + self.shift * depth / camera.focal
        place = torch.cat([sideways, camera.distance - depth], dim=1)
        bands = turn_light(params.light, turned).unflatten(1, (LIGHT_BANDS, 3)) * self.gain[:, None, :]
        return params.replace(
            pose=params.pose + torch.cat([axis[:, :2], self.turn[:, None]], dim=1),
            light=bands.flatten(1),
            translation=place + centre - pivot,
        )


def to_linear(images: Tensor) -> Tensor:
    """sRGB in [−1, 1] → linear RGB in [0, 1]."""
    value = ((images + 1) / 2).clamp(0.0, 1.0)
    return torch.where(value <= 0.04045, value / 12.92, ((value.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def turn_light(light: Float[Tensor, "batch 27"], turned: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 27"]:
    """The light carried along by rotation matrices: Y(n) · light′ = Y(Rᵀ n) · light for every n."""
    place = torch.arange(PROBES, device=light.device) + 0.5
    height = 1 - 2 * place / PROBES
    angle, radius = place * (math.pi * (1 + 5**0.5)), (1 - height.square()).sqrt()
    probes = torch.stack([radius * angle.cos(), radius * angle.sin(), height], dim=-1)
    before = harmonics(probes @ turned) @ light.unflatten(1, (LIGHT_BANDS, 3))
    return (torch.linalg.pinv(harmonics(probes)) @ before).flatten(1)


def degrade(
    images: Float[Tensor, "batch 3 height width"], generator: torch.Generator, strength: Strength
) -> Float[Tensor, "batch 3 height width"]:
    """What cameras do and labels do not see: gamma, blur or sharpening, coarse resampling, noise, covering rectangles."""
    count, _, height, width = images.shape
    u = torch.rand(count, 12, generator=generator).to(images.device)[:, :, None, None, None]
    factor = 0.35 + 0.5 * float(torch.rand((), generator=generator))
    bright = ((images + 1) / 2).clamp(1e-4, 1.0) ** (1 + strength.gamma * (2 * u[:, 0] - 1))
    images = 2 * bright - 1
    images = images + strength.soften * (u[:, 1] * 4 / 3 - 1 / 3) * (blurred(images) - images)
    if strength.coarse > 0:
        small = functional.interpolate(images, scale_factor=factor, mode="bilinear", antialias=True, recompute_scale_factor=False)
        small = functional.interpolate(small, (height, width), mode="bilinear", align_corners=False)
        images = torch.where(u[:, 2] < strength.coarse, small, images)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    images = images + strength.noise * u[:, 3].square() * noise
    if strength.cover > 0:
        rows = torch.linspace(0, 1, height, device=images.device)[:, None]
        columns = torch.linspace(0, 1, width, device=images.device)[None, :]
        inside = ((rows - u[:, 5]).abs() < 0.02 + 0.16 * u[:, 6]) & ((columns - u[:, 7]).abs() < 0.02 + 0.16 * u[:, 8])
        colour = 2 * u[:, 9:12, 0] - 1
        images = torch.where(inside & (u[:, 4] < strength.cover), colour, images)
    return images.clamp(-1.0, 1.0)


def blurred(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """A 5-tap binomial blur along both axes."""
    taps = [weight / 16 for weight in (1, 4, 6, 4, 1)]
    height, width = images.shape[2:]
    padded = functional.pad(images, (2, 2, 2, 2), mode="replicate")
    rows = sum(tap * padded[:, :, place : place + height] for place, tap in enumerate(taps))
    return sum(tap * rows[:, :, :, place : place + width] for place, tap in enumerate(taps))
