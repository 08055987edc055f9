"""Brush strokes laid over a picture: each pixel shows the stroke of highest rank that covers it, of those in the cells around.

Contract: strokes stand on a square grid of cells, one each, and reach at most `REACH` cells far. Nothing depends on the order of drawing.
Without gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cuda_ops import native

REACH = 2


@dataclass(frozen=True)
class Strokes:
    """colour: of the paint. heading: radians, in which the brush moved. drawn: which are. centre: x and y in the unit square. rank: 0 to 1,
    who lies on top. bristle: 0 to 1, irregularity of its hairs. length, width: in cells. opacity: of the paint."""

    colour: Float[Tensor, "batch 3 cells cells"]
    heading: Float[Tensor, "batch cells cells"]
    drawn: Bool[Tensor, "batch cells cells"]
    centre: Float[Tensor, "2 cells cells"]
    rank: Float[Tensor, "cells cells"]
    bristle: Float[Tensor, "cells cells"]
    length: float
    width: float
    opacity: float


@torch.no_grad()
def lay_strokes(
    painted: Float[Tensor, "batch 3 size size"], height: Float[Tensor, "batch 1 size size"], strokes: Strokes
) -> tuple[Float[Tensor, "batch 3 size size"], Float[Tensor, "batch 1 size size"]]:
    """The picture with the strokes on it, and how high its paint stands."""
    heading = strokes.heading.unsqueeze(1)
    each = torch.cat([strokes.colour, heading.cos(), heading.sin(), strokes.drawn.unsqueeze(1).float()], dim=1)
    grid = torch.cat([strokes.centre, strokes.rank[None], strokes.bristle[None]])
    if painted.device.type == "cpu" and painted.dtype == torch.float32 and native.load("cpu"):
        measures = REACH, strokes.length, strokes.width, strokes.opacity
        return native.operators(painted).lay_strokes(painted.contiguous(), height.contiguous(), each, grid, *measures)
    return _lay(painted, height, each, grid, strokes)


def _lay(painted: Tensor, height: Tensor, each: Tensor, grid: Tensor, strokes: Strokes) -> tuple[Tensor, Tensor]:
    """The same in torch's operators."""
    batch, _, size, _ = painted.shape
    cells = each.shape[-1]
    axis = (torch.arange(size, device=painted.device) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    home_row, home_column = (y * cells).floor().long(), (x * cells).floor().long()
    best = torch.full((batch, size, size), -1.0, device=painted.device)
    relief, alpha, chosen = height.squeeze(1).clone(), torch.zeros_like(best), torch.zeros_like(painted)
    flat, common = each.flatten(2), grid.flatten(1)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            row, column = home_row + down, home_column + right
            valid = (row >= 0) & (row < cells) & (column >= 0) & (column < cells)
            cell = (row.clamp(0, cells - 1) * cells + column.clamp(0, cells - 1)).flatten()
            stroke = flat.index_select(2, cell).view(batch, 6, size, size)
            centre_x, centre_y, rank, bristle = common.index_select(1, cell).view(4, size, size)
            dx, dy = (x - centre_x) * cells, (y - centre_y) * cells
            u = dx * stroke[:, 3] + dy * stroke[:, 4]
            v = dy * stroke[:, 3] - dx * stroke[:, 4]
            hairs = torch.sin(v * 21 / strokes.width + 40 * bristle) * torch.sin(v * 9 / strokes.width + 17 * bristle + 0.6 * u)
            body = (u.abs() / (0.5 * strokes.length)) ** 4 + (v.abs() / (0.5 * strokes.width)) ** 4
            end = body + 0.22 * hairs * (u / strokes.length + 0.5)
            inside = (end < 1) & valid & (stroke[:, 5] > 0.5) & (rank > best)
            best = torch.where(inside, rank.expand_as(best), best)
            inward = ((1 - end) / 0.25).clamp(0.0, 1.0)
            alpha = torch.where(inside, strokes.opacity * (inward * inward * (3 - 2 * inward)), alpha)
            relief = torch.where(inside, 0.5 + 0.28 * hairs + 0.30 * (v / strokes.width), relief)
            chosen = torch.where(inside.unsqueeze(1), stroke[:, :3] * (1 + 0.045 * hairs).unsqueeze(1), chosen)
    return painted + (chosen - painted) * alpha.unsqueeze(1), relief.unsqueeze(1)
