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


def soft_step(value: Tensor, start: Number, stop: Number) -> Tensor:
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
        rest = (1 - q).square()
        return rest * rest * (4 * q + 1)

    system = kernel(sources, sources) + ridge * torch.eye(len(sources), dtype=sources.dtype)
    return kernel(points, sources) @ torch.linalg.solve(system, displacements)


def through(knots: Sequence[tuple[Number, Number]], at: Tensor) -> Tensor:
    """Curve through (place, value) pairs without overshoot (monotone cubic; Fritsch and Carlson 1980); constant outside."""
    x, y = column([place for place, _ in knots]), column([value for _, value in knots])
    width, slope = x[1:] - x[:-1], (y[1:] - y[:-1]) / (x[1:] - x[:-1])
    before, after = slope[:-1], slope[1:]
    first, second = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    inner = torch.where(before * after > 0, (first + second) / (first / before + second / after), torch.zeros_like(before))
    tangent = torch.cat([slope[:1], inner.nan_to_num(0.0), slope[-1:]])
    if len(x) == 2:
        tangent = slope.expand(2)
    at = at.clamp(float(x[0]), float(x[-1]))
    index = (torch.searchsorted(x, at.contiguous()) - 1).clamp(0, len(x) - 2)
    t, h = (at - x[index]) / width[index], width[index]
    return (
        y[index] * (1 + 2 * t) * (1 - t) ** 2
        + tangent[index] * h * t * (1 - t) ** 2
        + y[index + 1] * t**2 * (3 - 2 * t)
        + tangent[index + 1] * h * t**2 * (t - 1)
    )


def smooth_max(a: Tensor, b: Tensor, width: float) -> Tensor:
    """The larger of two heights, rounded where they meet."""
    blend = ((a - b) / width).clamp(-1.0, 1.0)
    return torch.where(blend >= 1, a, torch.where(blend <= -1, b, (a + b) / 2 + width / 4 * (1 + blend**2)))


def to_path(points: Float[Tensor, "points dims"], path: Float[Tensor, "knots dims"]) -> tuple[Tensor, Tensor]:
    """Distance to a polyline, and the share (0 to 1) of its length at the nearest place."""
    best = torch.full((len(points),), math.inf, dtype=points.dtype)
    share = torch.zeros_like(best)
    lengths = (path[1:] - path[:-1]).norm(dim=1)
    start = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    for index in range(len(path) - 1):
        step = path[index + 1] - path[index]
        t = (((points - path[index]) @ step) / step.square().sum()).clamp(0.0, 1.0)
        distance = (points - path[index] - t[:, None] * step).norm(dim=1)
        nearer = distance < best
        best = torch.where(nearer, distance, best)
        share = torch.where(nearer, (start[index] + t * lengths[index]) / start[-1], share)
    return best, share


def normals_of(points: Float[Tensor, "points 3"], triangles: Tensor) -> Float[Tensor, "points 3"]:
    """Unit vertex normals, outward for counter-clockwise triangles."""
    a, b, c = points[triangles].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(points)
    for corner in triangles.unbind(1):
        total = total.index_add(0, corner, across)
    return total / total.norm(dim=1, keepdim=True).clamp(min=1e-12)
