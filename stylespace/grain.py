"""How much goes on in every small window of a picture, and in which direction: not what lies where.

Of hair, skin or leaves nobody knows the place of a single strand, but that there are strands, where, and how they run. Deviations of a
picture's slopes in four directions, in small windows, say just that: they tell strands that are combed from a hatched helmet, and either
from a blur (patches, as for the texture loss of Sajjadi et al. 2017, "EnhanceNet", section 4.2.3; deviations alone, as their patches are
those of one scene).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SLIGHT = 1e-5
"""Added to variances before their roots."""

WINDOWS = 16
"""Windows along a picture's side; as many again lie between them."""

Pictures = Float[Tensor, "batch 3 height width"]


def grain_losses(made: Pictures, true: Pictures) -> Float[Tensor, " batch"]:
    """Of every picture the mean difference of its slopes' busyness from the true one's, relative to that; the mean of full and half
    resolution."""
    losses = []
    for _ in range(2):
        one, other = (busyness(slopes(x), WINDOWS) for x in (made, true))
        losses.append((one - other).abs().mean(dim=(1, 2, 3)) / other.mean(dim=(1, 2, 3)))
        made, true = functional.avg_pool2d(made, 2), functional.avg_pool2d(true, 2)
    return torch.stack(losses).mean(dim=0)


def slopes(x: Pictures) -> Float[Tensor, "batch 12 _ _"]:
    """Differences of neighbours along rows, columns and both diagonals."""
    here, right, below, beyond = x[:, :, :-1, :-1], x[:, :, :-1, 1:], x[:, :, 1:, :-1], x[:, :, 1:, 1:]
    return torch.cat([right - here, below - here, beyond - here, right - below], dim=1)


def busyness(x: Float[Tensor, "batch channels side side"], windows: int) -> Float[Tensor, "batch channels _ _"]:
    """Deviation of every channel in windows that overlap by half; `windows` along a side, and as many again between them."""
    side = max(2, math.ceil(x.shape[2] / windows))
    mean, square = (functional.avg_pool2d(values, side, side // 2) for values in (x, x.square()))
    return ((square - mean.square()).clamp_min(0.0) + SLIGHT).sqrt()
