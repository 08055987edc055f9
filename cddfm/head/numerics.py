"""The few numerical tools that the head is sculpted with: splines, soft steps, bumps and a landmark warp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Number = float | int


def column(values: Number | Sequence[Number] | Sequence[Sequence[Number]]) -> Tensor:
    """Constants as a double tensor: everything is sculpted in double precision and stored in single."""
    return torch.tensor(values, dtype=torch.float64)


def soft_step(value: Tensor, start: float, stop: float) -> Tensor:
    """Quintic step: 0 at `start`, 1 at `stop` (which may be the smaller), two smooth derivatives in between."""
    t = ((value - start) / (stop - start)).clamp(0.0, 1.0)
    return t**3 * (t * (6 * t - 15) + 10)


def bump(squared: Tensor) -> Tensor:
    """Gaussian of a squared distance given in units of the standard deviation."""
    return torch.exp(-0.5 * squared)


def spline_weights(knots: Float[Tensor, " knots"], at: Float[Tensor, "*points"]) -> Float[Tensor, "*points knots"]:
    """Natural cubic spline as a linear operator: weights that turn values at the knots into values at `at`.

    Outside the knots the first or last cubic goes on.
    """
    count = len(knots)
    step = knots[1:] - knots[:-1]
    system = torch.eye(count, dtype=knots.dtype)
    right = torch.zeros(count, count, dtype=knots.dtype)
    for i in range(1, count - 1):
        system[i, i - 1 : i + 2] = torch.stack([step[i - 1], 2 * (step[i - 1] + step[i]), step[i]])
        right[i, i - 1 : i + 2] = 6 * torch.stack([1 / step[i - 1], -1 / step[i - 1] - 1 / step[i], 1 / step[i]])
    curvature = torch.linalg.solve(system, right)
    index = (torch.searchsorted(knots, at.contiguous()) - 1).clamp(0, count - 2)
    identity = torch.eye(count, dtype=knots.dtype)
    width = step[index][..., None]
    b = (at - knots[index])[..., None] / width
    a = 1 - b
    bend = (a**3 - a) * curvature[index] + (b**3 - b) * curvature[index + 1]
    return a * identity[index] + b * identity[index + 1] + bend * width**2 / 6


def periodic_weights(count: int, angle: Float[Tensor, "*points"]) -> Float[Tensor, "*points count"]:
    """Spline weights for values at `count` equal angles around the circle (radians, the first at 0)."""
    pad = 6
    knots = torch.arange(-pad, count + pad, dtype=torch.float64) * (2 * math.pi / count)
    weights = spline_weights(knots, angle % (2 * math.pi))
    folded = torch.zeros(*angle.shape, count, dtype=torch.float64)
    return folded.index_add_(-1, torch.arange(-pad, count + pad) % count, weights)


def along(knots: Sequence[float], values: Sequence[float], at: Tensor) -> Tensor:
    """Spline through (knot, value) pairs; knots ascending, constant outside."""
    knots_ = column(knots)
    return spline_weights(knots_, at.clamp(knots[0], knots[-1])) @ column(values)


def warp(
    points: Float[Tensor, "points 3"],
    sources: Float[Tensor, "sources 3"],
    displacements: Float[Tensor, "sources channels"],
    reach: float,
    ridge: float = 1e-3,
) -> Float[Tensor, "points channels"]:
    """Smooth displacement field that takes the given values at the sources and fades out `reach` cm away (Wendland C2 kernel)."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        q = (torch.cdist(a, b) / reach).clamp(max=1.0)
        return (1 - q) ** 4 * (4 * q + 1)

    system = kernel(sources, sources) + ridge * torch.eye(len(sources), dtype=sources.dtype)
    return kernel(points, sources) @ torch.linalg.solve(system, displacements)
