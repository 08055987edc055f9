"""Brows and lashes as fine triangles that grow from the skin and move with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.head.grid import Grid, Part
from cddfm.head.numerics import column, normals_of, through

PARTS = ("brow_R", "brow_L", "lashes_R", "lashes_L")

BROW_LINE = ((0.85, 2.22), (1.2, 2.38), (2.4, 2.70), (3.8, 2.80), (4.9, 2.48), (5.8, 1.78))
"""(|x|, y) along the middle of a brow."""

BROW_HALF = ((0.8, 0.22), (1.2, 0.36), (2.2, 0.36), (3.8, 0.27), (5.0, 0.18), (5.8, 0.05))
"""Half the brow's height in cm by |x|."""

BROW_HAIRS = 260
UPPER_LASHES, LOWER_LASHES = 40, 22


@dataclass(frozen=True)
class Grown:
    """Hair, and the three skin vertices (with weights) that carry each of its vertices."""

    part: Part
    roots: Int[Tensor, "vertices 3"]
    shares: Float[Tensor, "vertices 3"]


def makers(grid: Grid, skin: Float[Tensor, "vertices 3"]) -> dict[str, Callable[[int], Grown]]:
    """How to make each of the `PARTS`, given the number of its first vertex."""
    normals = normals_of(skin, grid.triangles)
    return {
        "brow_R": lambda at: brow(skin, normals, -1, at),
        "brow_L": lambda at: brow(skin, normals, 1, at),
        "lashes_R": lambda at: lashes(grid, skin, -1, at),
        "lashes_L": lambda at: lashes(grid, skin, 1, at),
    }


def spikes(root: Tensor, across: Tensor, tip: Tensor) -> Float[Tensor, "hairs 3 3"]:
    """Triangles from two base points to a tip."""
    return torch.stack([root - across, root + across, tip], dim=1)


def _both_sides(hairs: int, offset: int) -> Int[Tensor, "triangles 3"]:
    front = torch.arange(3 * hairs).view(hairs, 3) + offset
    return torch.cat([front, front.flip(1)])


def brow(skin: Float[Tensor, "vertices 3"], normals: Float[Tensor, "vertices 3"], side: int, offset: int) -> Grown:
    """Hairs that stand up at the nose and lie outwards along the arch."""
    number = torch.arange(BROW_HAIRS, dtype=torch.float64)
    along, over = (number * 0.61803398875) % 1.0, (number * 0.7548776662 + 0.3) % 1.0
    x = 0.95 + 4.65 * along
    y = through(BROW_LINE, x) + (2 * over - 1) * 0.8 * through(BROW_HALF, x)
    lean = torch.deg2rad(through(((0.9, 72.0), (1.6, 50.0), (3.0, 22.0), (4.2, -8.0), (5.7, -38.0)), x) - 22.0 * (over - 0.5))
    length = through(((0.9, 0.5), (2.0, 0.62), (4.0, 0.62), (5.7, 0.4)), x) * (0.85 + 0.3 * ((number * 0.33) % 1.0))
    tip = torch.stack([x + length * lean.cos(), y + length * lean.sin()], dim=1)
    width = 0.016
    base = torch.stack([x, y], dim=1)
    across = width * torch.stack([-lean.sin(), lean.cos()], dim=1)
    flat = torch.stack([base - across, base + across, tip], dim=1).flatten(0, 1) * column([side, 1.0])
    roots, shares = _carriers(skin, flat)
    height = column([0.015, 0.015, 0.07]).repeat(BROW_HAIRS)
    ground = (skin[roots] * shares[..., None]).sum(1)
    normal = (normals[roots] * shares[..., None]).sum(1)
    points = torch.cat([flat, ground[:, 2:]], dim=1) + normal * height[:, None]
    triangles = torch.arange(3 * BROW_HAIRS).view(BROW_HAIRS, 3) + offset
    triangles = triangles if side < 0 else triangles.flip(1)
    return Grown(Part(points, triangles), roots, shares)


def _carriers(skin: Float[Tensor, "vertices 3"], flat: Float[Tensor, "points 2"]) -> tuple[Tensor, Tensor]:
    """The three forehead vertices nearest in the frontal view, and barycentric-like weights."""
    near = ((skin[:, 2] > -6.0) & (skin[:, 1] > 0.5) & (skin[:, 1] < 4.5)).nonzero().flatten()
    distance, roots = torch.cdist(flat, skin[near, :2]).topk(3, dim=1, largest=False)
    roots = near[roots]
    weight = 1 / (distance + 0.03) ** 2
    return roots, weight / weight.sum(1, keepdim=True)


def lashes(grid: Grid, skin: Float[Tensor, "vertices 3"], side: int, offset: int) -> Grown:
    """Upper lashes sweep forward, up and outwards; the lower ones are short. Three vertices each, the upper first."""
    columns = list(grid.eye_columns[(side + 1) // 2])
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    if side < 0:
        columns = columns[::-1]
    pieces, roots, shares = [], [], []
    for row, count, upper in ((grid.eye_row, UPPER_LASHES, True), (grid.eye_row + 1, LOWER_LASHES, False)):
        edge = grid.vertex[row, columns]
        place = torch.linspace(0.10, 0.985, count, dtype=torch.float64)
        at = place * (len(columns) - 1)
        index = at.floor().long().clamp(max=len(columns) - 2)
        t = (at - index)[:, None]
        root = skin[edge[index]] * (1 - t) + skin[edge[index + 1]] * t
        run = skin[edge[index + 1]] - skin[edge[index]]
        run = run / run.norm(dim=1, keepdim=True)
        outward = side * (0.9 * (place - 0.42))
        length = (0.30 + 0.30 * torch.sin(math.pi * place.clamp(0, 1) ** 1.3)) if upper else 0.22 * torch.sin(math.pi * place) + 0.04
        rise = torch.full_like(place, 0.55 if upper else -0.75)
        tip = root + length[:, None] * torch.stack([outward, rise, torch.full_like(place, 0.75)], dim=1)
        pieces.append(spikes(root, (0.035 if upper else 0.02) * run, tip))
        carried = torch.stack([edge[index], edge[index + 1], edge[index]], dim=1)
        weight = torch.cat([1 - t, t, torch.zeros_like(t)], dim=1)
        roots.append(carried.repeat_interleave(3, dim=0))
        shares.append(weight.repeat_interleave(3, dim=0))
    hairs = torch.cat(pieces)
    return Grown(Part(hairs.flatten(0, 1), _both_sides(len(hairs), offset)), torch.cat(roots), torch.cat(shares))
