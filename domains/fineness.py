"""Pictures as fine as the domain's: noise strengths of a trained generator, measured out at last.

Losses that compare pixels want no noise, and those that ask for grain want some, so what a generator adds of its noise pictures is a
bargain between them, and too little: of what 2 × 2 means leave of a picture, generated paintings had 0.87 of the deviation that the world's
have, and toons 0.80. How fine pictures are is one number of many of them. All noise strengths are multiplied alike until it is the true
one; what is drawn where, which is the rest of the generator, stays.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from stylespace.generator import Generator

ROUNDS = 6
"""Steps of the secant method: fineness is nearly linear in the square of the factor."""

MOST = 3.0
"""No noise is made stronger than so many times: what lacks more is not noise."""

BATCH = 16


def fineness(images: Float[Tensor, "batch channels height width"]) -> float:
    """Mean square of what 2 × 2 means leave: the finest octave (Haar's)."""
    coarse = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2, mode="nearest")
    return float((images - coarse).square().mean())


@torch.no_grad()
def with_noise(generator: Generator, factor: float) -> Generator:
    """A copy whose noise is so many times as strong."""
    other = copy.deepcopy(generator)
    for name, parameter in other.named_parameters():
        if name.endswith(".noise_strength"):
            parameter.mul_(factor)
    return other


@torch.no_grad()
def as_fine_as(fine: float, generator: Generator, styles: Float[Tensor, "codes style_dim"]) -> tuple[Generator, float]:
    """A copy whose pictures of these codes have this `fineness`, as nearly as noise can make it, and what its noise was multiplied by,
    in [0, MOST]."""

    def found(square: float) -> float:
        noisy = with_noise(generator, square**0.5)
        return sum(fineness(noisy.synthesise(s)) * len(s) for s in styles.split(BATCH)) / len(styles)

    low, high = (0.0, found(0.0)), (1.0, found(1.0))
    if high[1] <= low[1]:  # it has no noise, or none that shows
        return copy.deepcopy(generator), 1.0
    for _ in range(ROUNDS):
        square = high[0] + (fine - high[1]) * (high[0] - low[0]) / (high[1] - low[1])
        square = min(max(square, 0.0), MOST**2)
        if abs(square - high[0]) < 1e-4:
            break
        low, high = high, (square, found(square))
    return with_noise(generator, high[0] ** 0.5), high[0] ** 0.5
