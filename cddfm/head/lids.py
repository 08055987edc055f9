"""Lids that slide over the eyeball: one movement serves blinking, squinting, staring, looking up and down, and wide or narrow eyes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.grid import BROW, CHEEK, LOWER_LID, UPPER_LID
from cddfm.head.hairs import UPPER_LASHES
from cddfm.head.numerics import bump, soft_step
from cddfm.head.sculpt import EYE_CENTRE, EYE_RADIUS
from cddfm.head.template import Template

OVERLAP = 0.08
"""How far (cm) the edge of a closed upper lid lies beyond the lower one's, so that wider eyes than the mean close, too."""


def lids(template: Template, sign: float, upper: float, lower: float) -> Float[Tensor, "vertices 3"]:
    """Margins moved by shares of the way to where they meet, `upper` downwards and `lower` upwards (negative: apart).

    The skin of the lids follows in proportion between the margin and the fold, and stays outside the eyeball.
    """
    points, grid, level = template.points, template.grid, template.level
    x, y, _ = points.unbind(-1)
    columns = list(grid.eye_columns[int(sign > 0)])
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    top, bottom = points[grid.vertex[grid.eye_row, columns]], points[grid.vertex[grid.eye_row + 1, columns]]
    gap = (top - bottom)[:, 1]
    way = _between(x, top[:, 0], gap)
    overlap = OVERLAP * bump(((x.abs() - EYE_CENTRE[0]) / 0.9) ** 2)
    is_lower = on_lower_lid(template, sign)
    span = soft_step(x * sign, 0.3, 1.2) * soft_step(points[:, 2], -4.5, -3.0)
    above = soft_step(level, BROW + 0.25, UPPER_LID) * 0.22 + 0.78 * soft_step(level, UPPER_LID - 0.08, UPPER_LID + 0.85)
    under = soft_step(level, CHEEK + 0.45, LOWER_LID)
    down = upper * (way + overlap * (way > 0.05)) * above
    up = lower * way * under
    step = torch.where(is_lower, up, -down) * span * template.mask("skin")
    move = _on_eyeball(points, step, x)
    # A closing upper lid comes to lie over the edge of the lower one.
    move[:, 2] += torch.where(is_lower, 0.0, 0.08 * soft_step(-step, 0.3, 0.8))
    _carry_rims(template, sign, move)
    _turn_lashes(template, sign, move, upper, lower)
    return move


def on_lower_lid(template: Template, sign: float) -> Tensor:
    grid = template.grid
    lower = template.level >= LOWER_LID
    lower[grid.vertex[grid.eye_row + 1, list(grid.eye_columns[int(sign > 0)])]] = True
    return lower


def _on_eyeball(points: Tensor, step: Tensor, x: Tensor) -> Float[Tensor, "vertices 3"]:
    """Vertical steps completed by the forward motion that keeps each point's distance from the eyeball."""
    side = torch.where(x < 0, -1.0, 1.0)
    centre = torch.stack([EYE_CENTRE[0] * side, torch.full_like(x, EYE_CENTRE[1]), torch.full_like(x, EYE_CENTRE[2])], dim=1)
    distance = (points - centre).norm(dim=1)
    thick = (distance - EYE_RADIUS).clamp(0.10, 0.30)
    y, z = points[:, 1] + step, points[:, 2]
    front = _front(x, y, EYE_RADIUS + thick)
    # Half-way along the straight path the sphere bulges by about step² / 8 r: the far end allows for it.
    slack = step.square() / (8 * EYE_RADIUS)
    moving = soft_step(step.abs(), 0.0, 0.12)
    forward = (front + 0.6 * slack - z).clamp(min=-0.35) * moving * (front > -5.0)
    near = soft_step(distance, EYE_RADIUS + 0.95, EYE_RADIUS + 0.3)
    return torch.stack([torch.zeros_like(x), step, forward * near], dim=-1)


def _front(x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    squared = radius**2 - (x.abs() - EYE_CENTRE[0]) ** 2 - (y - EYE_CENTRE[1]) ** 2
    return torch.where(squared > 0, EYE_CENTRE[2] + squared.clamp(min=1e-9).sqrt(), -40.0)


def _carry_rims(template: Template, sign: float, move: Tensor) -> None:
    """Rims follow the edges that they hang from."""
    grid, part = template.grid, template.part["rim_L" if sign > 0 else "rim_R"]
    columns = list(grid.eye_columns[int(sign > 0)])
    edge = torch.cat([grid.vertex[grid.eye_row, [columns[0] - 1, *columns, columns[-1] + 1]], grid.vertex[grid.eye_row + 1, columns]])
    move[part] = move[edge].repeat(2, 1)
    # On the eyeball a rim moves a shorter arc than the edge outside it.
    move[part] = move[part] * move.new_tensor([1.0, 0.94, 1.0])


def _turn_lashes(template: Template, sign: float, move: Tensor, upper: float, lower: float) -> None:
    """Lash tips turn with the lids, beyond the motion of their roots (which `Template.attach` adds)."""
    part = template.part["lashes_L" if sign > 0 else "lashes_R"]
    count = part.stop - part.start
    tip = torch.zeros(count, dtype=move.dtype)
    tip[2::3] = 1.0
    is_upper = torch.arange(count) < 3 * UPPER_LASHES
    turned = torch.where(is_upper, -0.38 * upper, 0.10 * lower) * tip
    move[part] = torch.stack([torch.zeros_like(turned), turned, -0.15 * turned.abs()], dim=-1)


def _between(at: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear, zero outside the knots (ascending)."""
    index = (torch.searchsorted(knots.contiguous(), at.contiguous()) - 1).clamp(0, len(knots) - 2)
    t = (at - knots[index]) / (knots[index + 1] - knots[index])
    return torch.where((t >= 0) & (t <= 1), values[index] * (1 - t) + values[index + 1] * t, torch.zeros_like(at))
