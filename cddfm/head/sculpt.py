"""The skin: sections and profile make the head's surface, feature fields carve nose, sockets and lips into it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.figures import AXIS_Z, NECK, POLE, PROFILE, SECTION_HEIGHTS, SECTIONS
from cddfm.head.grid import EYE_INNER, EYE_OUTER, MOUTH_CORNER, Grid, jaw_height, row_height
from cddfm.head.numerics import along, bump, column, periodic_weights, soft_step, spline_weights

EYE_CENTRE = (3.15, 0.04, -1.03)
EYE_RADIUS = 1.22
LID_THICKNESS = 0.09


def _around(half: Tensor) -> Tensor:
    """Values at 0 … 180 degrees in steps of 15, completed to the full circle."""
    return torch.cat([half, half[..., 1:-1].flip(-1)], dim=-1)


def base_radius(angle: Float[Tensor, "*points"], y: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
    """Radius in cm about the head's axis without features: the face's sections above the jaw, the neck below it."""
    turn = periodic_weights(24, angle)
    rise = spline_weights(column(SECTION_HEIGHTS), y.clamp(-14.0, 10.0))
    face = torch.einsum("...h,ha,...a->...", rise, _around(column(SECTIONS)), turn)
    flare = 0.9 * soft_step(y, -13.0, -18.5)
    neck = turn @ _around(column(NECK)) * (1 + 0.02 * (y + 12.0).clamp(max=0.0).neg()) + flare
    degrees = torch.rad2deg(angle.abs())
    width = 0.55 + 1.1 * soft_step(degrees, 15.0, 80.0)
    height = (y - jaw_height(angle)) / width
    return neck + (face - neck) * soft_step(height, -1.0, 1.0)


def feature_height(x: Float[Tensor, " points"], y: Float[Tensor, " points"]) -> Float[Tensor, " points"]:
    """What nose, lips, chin and sockets add to the radius (cm) at a place of the face seen from the front."""
    side = x.abs()
    mouth = -6.82
    squeeze = (1 - (side / 2.9).clamp(max=0.97) ** 2).sqrt().clamp(min=0.35)
    near_mouth = bump(((y - mouth) / 0.9) ** 2)
    y_lips = mouth + (y - mouth) * (1 + (1 / squeeze - 1) * near_mouth)
    knots, depths = zip(*PROFILE, strict=True)
    midline = base_radius(torch.zeros_like(y), y_lips)
    ridge = along(knots, depths, y_lips) - AXIS_Z - midline
    ridge = ridge * soft_step(y, 5.0, 3.5) * soft_step(y, -11.6, -10.8)
    half_width = along(
        (-11.0, -9.0, -8.2, -7.4, -6.8, -6.0, -5.2, -4.7, -4.2, -3.4, -2.4, -1.2, 0.0, 0.9, 2.0, 4.0),
        (2.2, 2.2, 2.25, 2.25, 2.25, 2.25, 1.5, 1.0, 0.92, 0.94, 0.84, 0.70, 0.66, 0.85, 2.2, 3.0),
        y,
    )
    sharp = 2.3 + 1.5 * bump(((y + 6.8) / 0.8) ** 2)
    height = ridge * torch.exp(-((side / half_width) ** sharp) * 0.8)

    def place(at_x: float, at_y: float, wide: float, tall: float, amount: float) -> Tensor:
        return amount * bump(((side - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2)

    height = height + place(1.12, -3.98, 0.38, 0.46, 0.85)  # wings of the nose
    height = height + place(1.95, -3.9, 0.35, 0.6, -0.12)  # crease around them
    height = height + place(1.95, 0.35, 0.75, 0.9, -0.55)  # inner socket
    height = height + place(2.2, -0.25, 0.75, 0.5, -0.42)  # inner corner and lower lid
    height = height + place(3.3, 1.15, 1.2, 0.5, -0.35)  # hollow under the brow
    height = height + place(4.9, 0.0, 0.6, 0.7, -0.15)  # outer socket
    height = height + place(3.0, -1.1, 1.0, 0.4, -0.08)  # under the lower lid
    height = height + place(3.2, 2.4, 1.6, 0.45, 0.12)  # brow ridge
    height = height + place(4.6, -1.9, 1.2, 1.5, 0.10)  # cheekbone
    height = height + place(2.5, -6.9, 0.5, 0.6, -0.33)  # dimple of the mouth's corner
    height = height + place(0.0, -5.35, 0.22, 0.5, -0.1)  # philtrum
    fold = side - (1.75 - 0.42 * (y + 4.2))
    return height - 0.09 * bump((fold / 0.3) ** 2) * soft_step(y, -3.6, -4.6) * soft_step(y, -8.0, -6.4)


def eye_opening(angle: Float[Tensor, " points"], y: Float[Tensor, " points"], level: Tensor, lower_edge: Tensor) -> Tensor:
    """How far (cm) the lids stand away from the closed line at each point: up above it, down below it."""
    middle, half = (EYE_INNER + EYE_OUTER) / 2, (EYE_OUTER - EYE_INNER) / 2
    u = (torch.rad2deg(angle.abs()) - middle) / half
    arch = (1 - u**2).clamp(min=0.0)
    upper = 0.56 * arch**0.7 * (1 - 0.12 * u)
    lower = 0.33 * arch**0.8 * (1 + 0.2 * u)
    distance = (y + 0.12).abs()
    is_lower = (level > 2.0) | lower_edge
    return torch.where(is_lower, -lower * torch.exp(-distance / 0.8), upper * torch.exp(-distance / 1.0))


def mouth_opening(angle: Tensor, y: Tensor, below: Tensor) -> Float[Tensor, " points"]:
    """The hair's breadth (cm) by which resting lips stand apart."""
    share = (1 - (torch.rad2deg(angle) / MOUTH_CORNER) ** 2).clamp(min=0.0)
    return 0.035 * share**0.5 * (1 - 2 * below) * torch.exp(-(y + 6.82).abs() / 0.6)


def brow_arch(angle: Float[Tensor, " points"], y: Float[Tensor, " points"]) -> Float[Tensor, " points"]:
    """Rows near the brow bent so that they run along it (cm upwards)."""
    arch = along((0.0, 8.0, 17.0, 27.0, 36.0, 46.0, 60.0), (0.0, 0.2, 0.45, 0.2, -0.08, -0.55, -0.6), torch.rad2deg(angle.abs()))
    return arch * bump(((y - 2.35) / 0.9) ** 2) * soft_step(torch.rad2deg(angle.abs()), 75.0, 50.0)


def eyeball_front(x: Tensor, y: Tensor, radius: float) -> Tensor:
    """z of the front of an eyeball of this radius at (x, y); far behind where there is none."""
    squared = radius**2 - (x.abs() - EYE_CENTRE[0]) ** 2 - (y - EYE_CENTRE[1]) ** 2
    return torch.where(squared > 0, EYE_CENTRE[2] + squared.clamp(min=1e-9).sqrt(), -40.0)


def smooth_max(a: Tensor, b: Tensor, width: float) -> Tensor:
    blend = ((a - b) / width).clamp(-1.0, 1.0)
    return torch.where(blend >= 1, a, torch.where(blend <= -1, b, (a + b) / 2 + width / 4 * (1 + blend**2)))


def cover_eyes(points: Float[Tensor, "points 3"], thickness: float) -> Float[Tensor, "points 3"]:
    """Skin drawn forward where an eyeball lies closer than `thickness` behind it."""
    x, y, z = points.unbind(-1)
    front = eyeball_front(x, y, EYE_RADIUS + thickness)
    return torch.stack([x, y, torch.where(z > -4.0, smooth_max(z, front, 0.12), z)], dim=-1)


def sculpt_skin(grid: Grid) -> Float[Tensor, "vertices 3"]:
    """The skin's grid in space, before the warp onto the landmarks; vertex 0 is the crown."""
    lower_edge = torch.zeros_like(grid.level, dtype=torch.bool)
    for columns in grid.eye_columns:
        lower_edge[grid.vertex[grid.eye_row + 1, list(columns)]] = True
    y = row_height(grid.angle, grid.level.clamp(min=1.0))
    y = y + mouth_opening(grid.angle, y, grid.below)
    y = y + brow_arch(grid.angle, y)
    y = y + eye_opening(grid.angle, y, grid.level, lower_edge)
    radius = base_radius(grid.angle, y)
    x = radius * grid.angle.sin()
    forward = soft_step(torch.rad2deg(grid.angle.abs()), 85.0, 60.0)
    radius = radius + forward * feature_height(x, y)
    points = torch.stack([radius * grid.angle.sin(), y, AXIS_Z + radius * grid.angle.cos()], dim=-1)
    points = cover_eyes(points, LID_THICKNESS)
    return torch.where((grid.level < 1.0)[:, None], crown(grid.angle, grid.level), points)


def crown(angle: Float[Tensor, " points"], level: Float[Tensor, " points"]) -> Float[Tensor, "points 3"]:
    """The skull above the hairline: each meridian is a spline over the pole to the opposite side."""
    heights = (2.0, 4.0, 6.0, 8.0, 10.0)
    opposite = angle + torch.pi

    def ring(turn: Tensor, y: float) -> Tensor:
        height = torch.full_like(turn, y)
        radius = base_radius(turn, height)
        return torch.stack([radius * turn.sin(), height, AXIS_Z + radius * turn.cos()], dim=-1)

    pole = column(POLE).expand(len(angle), 3)
    posts = [ring(angle, y) for y in heights] + [pole] + [ring(opposite, y) for y in heights[:1:-1]]
    weights = spline_weights(column([0.0, 1.0, 2.0, 3.1, 4.6, 6.6, 8.6, 10.1, 11.2]), 6.6 - 5.6 * level.clamp(0.0, 1.0))
    return torch.einsum("pk,pkc->pc", weights, torch.stack(posts, dim=1))
