"""Vectors as planes: three tensors of one shape stacked in front, so that every operation runs along memory. And smooth steps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def ramp(value: Tensor, low: float | int | Tensor, high: float | int | Tensor) -> Tensor:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3 - 2 * t)


def dot(a: Float[Tensor, "3 *#shape"], b: Float[Tensor, "3 *#shape"]) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Float[Tensor, "3 *#shape"], b: Float[Tensor, "3 *#shape"]) -> Tensor:
    return torch.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def length(a: Float[Tensor, "3 *shape"]) -> Float[Tensor, "*shape"]:
    return dot(a, a).clamp(min=1e-12).sqrt()


def unit(a: Float[Tensor, "3 *shape"]) -> Float[Tensor, "3 *shape"]:
    """Vectors of length 1; zero stays zero."""
    return a / length(a)


def turned(a: Float[Tensor, "3 batch *shape"], matrix: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "3 batch *shape"]:
    """Each image's rotation of its vectors, without a product whose order of summation depends on the batch."""
    m = matrix.permute(1, 2, 0).view(3, 3, -1, *[1] * (a.dim() - 2))
    return torch.stack([m[row, 0] * a[0] + m[row, 1] * a[1] + m[row, 2] * a[2] for row in range(3)])


def planes(points: Float[Tensor, "batch points 3"]) -> Float[Tensor, "3 batch points"]:
    return points.permute(2, 0, 1).contiguous()


def points_of(a: Float[Tensor, "3 batch *shape"]) -> Float[Tensor, "batch points 3"]:
    return a.flatten(2).permute(1, 2, 0).contiguous()


def scatter_numbers(count: int, seed: int) -> Float[Tensor, count]:
    """Fixed irregular numbers in [0, 1), the same on every machine."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))
