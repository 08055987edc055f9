"""Planes of numbers: where their cells lie; smoothed and enlarged."""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

REACH = 3.0
"""Deviations after which the window ends, where it is not told another radius."""

NARROWEST = 0.2
"""Pixels; a narrower Gaussian is a single pixel."""


def centres(count: int, like: Tensor) -> Float[Tensor, " count"]:
    """Of so many cells along a side that reaches from −1 to 1."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) / count * 2 - 1


def smooth(
    planes: Float[Tensor, "batch planes height width"], deviation: float, radius: int | None = None
) -> Float[Tensor, "batch planes height width"]:
    """Every plane averaged by a Gaussian of this deviation (pixels) that ends after `radius` pixels; beyond its edges it is mirrored, so
    that the radius must be less than either side. Products with matrices: on a CPU many times faster than convolutions of one channel."""
    deviation = max(deviation, NARROWEST)
    reach = math.ceil(REACH * deviation) if radius is None else radius
    rows, columns = (_window(size, deviation, reach).to(planes) for size in planes.shape[2:])
    return rows @ planes @ columns.T


@cache
def _window(size: int, deviation: float, radius: int) -> Float[Tensor, "size size"]:
    """What each place takes of every other place."""
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    window = torch.exp(-(steps**2) / (2 * deviation**2))
    impulses = functional.pad(torch.eye(size)[:, None], [radius] * 2, mode="reflect")
    return functional.conv1d(impulses, (window / window.sum()).view(1, 1, -1))[:, 0].T


def resized(planes: Float[Tensor, "batch planes side side"], side: int) -> Float[Tensor, "batch planes height height"]:
    """Enlarged to another side, bilinear; the same where that is its own."""
    if planes.shape[-1] == side:
        return planes
    return functional.interpolate(planes, size=(side, side), mode="bilinear", align_corners=False)
