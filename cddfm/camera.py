"""The camera and the rigid motion of the head; conventions in docs/conventions.md."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """A perspective camera on the z axis looking down −z.

    distance: centimetres from the plane z = 0. half_height: centimetres seen above and below the centre in that plane.
    centre_y, centre_x: where in centimetres the picture's middle lies.
    """

    distance: float = 100.0
    half_height: float = 13.5
    centre_y: float = -0.5
    centre_x: float = 0.0

    @property
    def focal(self) -> float:
        return self.distance / self.half_height

    def project(self, points: Float[Tensor, "batch points 3"]) -> Float[Tensor, "batch points 3"]:
        """World points (cm) → (ndc x, ndc y, depth): ndc in [−1, 1] inside the picture, y up; depth in cm from the camera."""
        x, y, z = points.unbind(-1)
        depth = self.distance - z
        return torch.stack([self.focal * (x - self.centre_x) / depth, self.focal * (y - self.centre_y) / depth, depth], dim=-1)


def rotation(pose: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3 3"]:
    """R = Rz(roll) · Ry(yaw) · Rx(−pitch) for pose = (pitch, yaw, roll) in radians; acts on column vectors."""
    pitch, yaw, roll = (-pose[:, 0], pose[:, 1], pose[:, 2])
    one, zero = torch.ones_like(pitch), torch.zeros_like(pitch)

    def matrix(rows: list[list[Tensor]]) -> Tensor:
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)

    about_x = matrix([[one, zero, zero], [zero, pitch.cos(), -pitch.sin()], [zero, pitch.sin(), pitch.cos()]])
    about_y = matrix([[yaw.cos(), zero, yaw.sin()], [zero, one, zero], [-yaw.sin(), zero, yaw.cos()]])
    about_z = matrix([[roll.cos(), -roll.sin(), zero], [roll.sin(), roll.cos(), zero], [zero, zero, one]])
    return about_z @ about_y @ about_x


def place(
    vertices: Float[Tensor, "batch points 3"],
    pose: Float[Tensor, "batch 3"],
    translation: Float[Tensor, "batch 3"],
    pivot: Float[Tensor, 3],
) -> Float[Tensor, "batch points 3"]:
    """Rigid motion of the head: v′ = R (v − pivot) + pivot + translation."""
    return (vertices - pivot) @ rotation(pose).transpose(1, 2) + pivot + translation[:, None, :]


def to_ndc(pixels: Float[Tensor, "batch points 2"], resolution: int) -> Float[Tensor, "batch points 2"]:
    """The inverse of `to_pixels`."""
    x, y = ((pixels + 0.5) * 2 / resolution).unbind(-1)
    return torch.stack([x - 1, 1 - y], dim=-1)


def to_pixels(ndc: Float[Tensor, "batch points 2"], resolution: int) -> Float[Tensor, "batch points 2"]:
    """Normalised device coordinates → pixel coordinates (x right, y down, centres of pixels at whole numbers)."""
    x, y = ndc.unbind(-1)
    return torch.stack([(x + 1) * resolution / 2 - 0.5, (1 - y) * resolution / 2 - 0.5], dim=-1)
