"""Vectors as planes: three tensors of one shape stacked in front, so that every operation runs along memory. And smooth steps."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


def ramp(value: Tensor, low: float | int | Tensor, high: float | int | Tensor) -> Tensor:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = ((value - low) / (high - low)).clamp_(0.0, 1.0)
    square = t * t
    return square.mul_(t.mul_(-2.0).add_(3.0))


def dot(a: Float[Tensor, "3 *#shape"], b: Float[Tensor, "3 *#shape"]) -> Tensor:
    x, y, z = (a * b).unbind(0)
    return (x + y).add_(z)


def cross(a: Float[Tensor, "3 *#shape"], b: Float[Tensor, "3 *#shape"]) -> Tensor:
    (ax, ay, az), (bx, by, bz) = a.unbind(0), b.unbind(0)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def length(a: Float[Tensor, "3 *shape"]) -> Float[Tensor, "*shape"]:
    return dot(a, a).clamp_(min=1e-12).sqrt_()


def unit(a: Float[Tensor, "3 *shape"]) -> Float[Tensor, "3 *shape"]:
    """Vectors of length 1; zero stays zero."""
    return a / length(a)


def turned(a: Float[Tensor, "3 batch *shape"], matrix: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "3 batch *shape"]:
    """Each image's rotation of its vectors, without a product whose order of summation depends on the batch."""
    m = matrix.permute(1, 2, 0).view(3, 3, -1, *[1] * (a.dim() - 2))
    x, y, z = a.unbind(0)
    return torch.stack([(row[0] * x).add_(row[1] * y).add_(row[2] * z) for row in m.unbind(0)])


def planes(points: Float[Tensor, "batch points 3"]) -> Float[Tensor, "3 batch points"]:
    return points.permute(2, 0, 1).contiguous()


def points_of(a: Float[Tensor, "3 batch *shape"]) -> Float[Tensor, "batch points 3"]:
    return a.flatten(2).permute(1, 2, 0).contiguous()


def of_each(values: Shaped[Tensor, "*shape batch"], image: Int[Tensor, pixels]) -> Shaped[Tensor, "*shape #pixels"]:
    """What belongs to images, for each of their pixels; of one image, once [*shape, 1]: it need not be repeated."""
    return values if values.shape[-1] == 1 else values.index_select(-1, image)


@lru_cache(maxsize=256)
def scatter_numbers(count: int, seed: int) -> Float[Tensor, count]:
    """Fixed irregular numbers in [0, 1), the same on every machine; made once, so not to be written to."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))
