"""The skin in the rough: sections and profile make the head's surface, sockets, nose and lips are set into it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.figures import AXIS_Z, NECK, POLE, PROFILE, SECTION_HEIGHTS, SECTIONS
from cddfm.head.grid import BASE, CHEEK, CHIN, LOWER_LIP, MOUTH_CORNER, UPPER_LID, Grid, curve, row_height
from cddfm.head.numerics import bump, column, periodic_weights, smooth_max, soft_step, spline_weights, through

EYE_CENTRE = (3.15, 0.10, -1.03)
EYE_RADIUS = 1.22
LID = 0.20
"""How far (cm) the lids' outer surface lies from the eyeball."""


def _around(half: Tensor) -> Tensor:
    """Values at 0 … 180 degrees in steps of 15, completed to the full circle."""
    return torch.cat([half, half[..., 1:-1].flip(-1)], dim=-1)


def base_radius(angle: Float[Tensor, "*points"], y: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
    """Radius in cm about the head's axis without features: the face's sections above the jaw, the neck below it."""
    turn = periodic_weights(24, angle)
    rise = spline_weights(column(SECTION_HEIGHTS), y.clamp(-14.0, 10.0))
    face = torch.einsum("...h,ha,...a->...", rise, _around(column(SECTIONS)), turn)
    degrees = torch.rad2deg(angle.abs())
    trapezius = soft_step(degrees, 40.0, 95.0) * soft_step(degrees, 175.0, 120.0)
    flare = (0.35 + 1.1 * trapezius) * soft_step(y, -12.5, -18.5)
    lean = 0.20 * (y + 12.0).clamp(max=0.0) * soft_step(degrees, 110.0, 20.0) * soft_step(y, -19.0, -14.0)
    neck = turn @ _around(column(NECK)) + flare - 0.4 * lean
    width = 0.65 + 1.5 * soft_step(degrees, 15.0, 75.0)
    height = (y - curve("jaw", angle)) / width
    return neck + (face - neck) * soft_step(height, -1.0, 1.0)


def profile(y: Tensor) -> Tensor:
    """z of the mid-line."""
    return through(PROFILE, y)


ENVELOPE = ((-11.0, 1.21), (-10.0, 1.81), (-9.0, 1.78), (-8.6, 1.76), (-7.9, 1.98), (-6.8, 2.28), (-5.95, 2.42), (-5.4, 2.38), (-4.9, 2.28))
"""(y, z) of the mid-line with the red of the lips taken away."""


def lip_relief(angle: Tensor, y: Tensor, level: Tensor) -> Tensor:
    """What philtrum, lips and chin add forwards (cm): a mound over the teeth, and the mid-line's lips carried along their rows."""
    middle, degrees = torch.zeros_like(angle), torch.rad2deg(angle.abs())
    mound = (through(ENVELOPE, y) - AXIS_Z - base_radius(middle, y)) * soft_step(y, -4.3, -4.9) * soft_step(y, -11.6, -10.6)
    wide = through(((-11.0, 15.0), (-9.0, 15.0), (-8.4, 14.5), (-6.8, 15.5), (-5.6, 14.0), (-4.7, 9.0)), y)
    mound = mound * torch.exp(-0.8 * (degrees / wide) ** 2.4)
    on_lips = ((level >= BASE) & (level < CHIN)).double()
    at_middle = row_height(middle, level)
    red = (profile(at_middle) - through(ENVELOPE, at_middle)) * on_lips
    share = (1 - (degrees / (MOUTH_CORNER + 0.4)).clamp(max=1.0) ** 2.0).clamp(min=0.0)
    return mound + red * share ** torch.where(level >= LOWER_LIP, 1.05, 0.75)


def nose(x: Tensor, y: Tensor) -> Tensor:
    """z of the nose's surface seen from the front; far behind beside it."""
    side = x.abs()
    slope = through(((-4.8, 1.2), (-4.1, 1.30), (-3.3, 1.45), (-2.2, 1.65), (-1.0, 1.65), (0.0, 1.30), (0.8, 0.85), (1.8, 0.5)), y)
    flat = through(((-4.8, 0.75), (-3.9, 0.85), (-3.2, 0.85), (-2.2, 0.60), (-1.0, 0.52), (0.3, 0.50), (1.6, 0.9)), y)
    ridge = profile(y) - slope * ((side**2 + flat**2).sqrt() - flat)

    def ball(at: tuple[float, float, float], radii: tuple[float, float, float]) -> Tensor:
        squared = 1 - ((side - at[0]) / radii[0]) ** 2 - ((y - at[1]) / radii[1]) ** 2
        return torch.where(squared > 0, at[2] + radii[2] * squared.clamp(min=1e-9).sqrt(), -9.0)

    wing = ball((1.10, -4.00, 1.55), (0.68, 0.68, 0.95))
    return smooth_max(ridge, wing, 0.22)


def sockets(x: Tensor, y: Tensor) -> Tensor:
    """Hollows and swellings of the bone (cm forwards) seen from the front."""
    side = x.abs()

    def place(at_x: float, at_y: float, wide: float, tall: float, amount: float) -> Tensor:
        return amount * bump(((side - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2)

    return (
        place(1.85, 0.30, 0.75, 0.85, -0.50)  # inner socket beside the bridge
        + place(2.3, -0.55, 0.9, 0.6, -0.40)  # tear trough
        + place(3.2, 1.30, 1.30, 0.42, -0.20)  # hollow under the brow
        + place(4.9, 0.1, 0.6, 0.8, -0.14)  # outer socket
        + place(3.4, -0.9, 1.0, 0.45, -0.06)  # under the lower lid
        + place(2.9, 2.35, 1.7, 0.55, 0.12)  # brow ridge
        + place(4.6, -2.1, 1.2, 1.1, 0.14)  # cheekbone
        + place(2.60, -6.95, 0.45, 0.38, -0.24)  # corner of the mouth
        + place(2.5, -4.9, 0.95, 1.3, 0.32)  # over the eye teeth
        + place(2.4, -8.3, 0.9, 0.9, 0.26)  # beside the chin
        + place(3.7, -9.2, 0.9, 0.9, 0.17)  # between chin and jaw
        + place(4.2, -7.2, 1.2, 1.2, -0.07)  # before the chewing muscle
    )


def eyeball_front(x: Tensor, y: Tensor, radius: float) -> Tensor:
    """z of the front of an eyeball of this radius at (x, y); far behind where there is none."""
    squared = radius**2 - (x.abs() - EYE_CENTRE[0]) ** 2 - (y - EYE_CENTRE[1]) ** 2
    return torch.where(squared > 0, EYE_CENTRE[2] + squared.clamp(min=1e-9).sqrt(), -40.0)


def cover_eyes(points: Float[Tensor, "points 3"], thickness: float, blend: float = 0.12) -> Float[Tensor, "points 3"]:
    """Skin drawn forward where an eyeball lies closer than `thickness` behind it."""
    x, y, z = points.unbind(-1)
    front = eyeball_front(x, y, EYE_RADIUS + thickness)
    return torch.stack([x, y, torch.where(z > -4.0, smooth_max(z, front, blend), z)], dim=-1)


def lid_crease(angle: Tensor, level: Tensor) -> Tensor:
    """The fold above the upper lid and the faint one under the lower (cm forwards): skin bulges over it, then dips."""
    degrees = torch.rad2deg(angle.abs())
    span = soft_step(degrees, 13.5, 18.0) * soft_step(degrees, 40.0, 33.0)
    upper = 0.23 * bump(((level - UPPER_LID + 0.13) / 0.12) ** 2) - 0.08 * bump(((level - UPPER_LID - 0.12) / 0.16) ** 2)
    lower = 0.04 * bump(((level - CHEEK + 0.25) / 0.25) ** 2) - 0.04 * bump(((level - CHEEK - 0.05) / 0.12) ** 2)
    return span * (upper + lower)


def sculpt_skin(grid: Grid) -> Float[Tensor, "vertices 3"]:
    """The skin's grid in space, before the fine strokes and the warp onto the landmarks; vertex 0 is the crown."""
    angle, level = grid.angle, grid.level
    y = row_height(angle, level.clamp(min=1.0))
    radius = base_radius(angle, y)
    x, z = radius * angle.sin(), AXIS_Z + radius * angle.cos()
    forward = soft_step(torch.rad2deg(angle.abs()), 75.0, 50.0)
    z = z + forward * (lip_relief(angle, y, level) + sockets(x, y))
    z = torch.where(
        (x.abs() < 3.5) & (forward > 0.5), smooth_max(z, nose(x, y) + torch.where(y < -4.4, -4.0 * (-4.4 - y), torch.zeros_like(y)), 0.3), z
    )
    points = cover_eyes(torch.stack([x, y, z], dim=-1), LID)
    points[:, 2] = points[:, 2] + forward * lid_crease(angle, level)
    points = torch.where((level < 1.0)[:, None], crown(angle, level), points)
    return settle(points, grid)


def settle(points: Float[Tensor, "vertices 3"], grid: Grid) -> Float[Tensor, "vertices 3"]:
    """Kinks of the construction evened out; lids and lips keep their edges."""
    x, y, z = points.unbind(-1)
    eye = bump(((x.abs() - EYE_CENTRE[0]) / 1.1) ** 2 + ((y - 0.3) / 0.75) ** 2) * (z > -4.0)
    lips = bump((x / 1.9) ** 2 + ((y + 6.85) / 0.75) ** 2) * (z > -4.0)
    under_nose = bump((x / 1.3) ** 2 + ((y + 4.6) / 0.45) ** 2) * (z > 0.0)
    free = (1 - 1.4 * torch.maximum(eye, lips)).clamp(0.0, 1.0)
    for _ in range(3):
        # A step towards the neighbours and one away again: kinks go, volume stays (Taubin 1995).
        points = relax(relax(points, grid, 0.5 * free, 1), grid, -0.52 * free, 1)
    return relax(points, grid, 0.5 * under_nose * free, 6)


def relax(points: Float[Tensor, "vertices 3"], grid: Grid, amount: Tensor, rounds: int) -> Float[Tensor, "vertices 3"]:
    """Each vertex drawn towards the mean of its neighbours by a share of its own."""
    edges = grid.edges()
    ones = torch.ones(len(edges), 1, dtype=points.dtype)
    degree = torch.zeros_like(points[:, :1]).index_add(0, edges[:, 0], ones).clamp(min=1.0)
    border = grid.vertex[-1]
    amount = amount.clone()
    amount[border], amount[0] = 0.0, 0.0
    for _ in range(rounds):
        mean = torch.zeros_like(points).index_add(0, edges[:, 0], points[edges[:, 1]]) / degree
        points = points + amount[:, None] * (mean - points)
    return points


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
