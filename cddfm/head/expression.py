"""How a face moves: displacements at full strength with the names of ARKit's blend shapes, `_L` on the head's own left."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.figures import MIRROR
from cddfm.head.numerics import bump, column, soft_step, warp
from cddfm.head.parts import MOUTH_ROWS
from cddfm.head.sculpt import EYE_RADIUS, eyeball_front, smooth_max
from cddfm.head.template import Template

Travel = Mapping[int, tuple[float, float, float]]


def lower_weight(template: Template) -> Float[Tensor, " vertices"]:
    """How much a point belongs to the lower side of the mouth's line (0 to 1): sharp between the corners, soft beyond them."""
    x, y, _ = template.points.unbind(-1)
    side = x.abs()
    line = along_mouth(side)
    beyond = (side / 2.2).clamp(max=1.0) ** 4
    fade = torch.exp(-((y - line).abs() / 1.5) ** 1.3)
    upper, lower = 0.5 * beyond * fade, 1 - 0.5 * beyond * fade
    below = torch.where(template.mask("skin") & (side < 2.5), template.below, (y < line).double())
    below[template.part["bag"]] = torch.linspace(-1.5, 2.5, len(MOUTH_ROWS)).double().clamp(0, 1).repeat_interleave(_bag_columns(template))
    weight = upper + (lower - upper) * below
    weight[template.part["teeth_upper"]] = 0.0
    weight[template.part["teeth_lower"]] = 1.0
    return weight


def along_mouth(side: Tensor) -> Tensor:
    """Height of the line that carries the mouth's slit on towards the ear."""
    return -6.86 + 2.2 * soft_step(side, 2.4, 7.2)


def _bag_columns(template: Template) -> int:
    part = template.part["bag"]
    return (part.stop - part.start) // len(MOUTH_ROWS)


def soft_tissue(template: Template) -> Tensor:
    """1 where soft tissue follows expressions, 0 at eyeballs, teeth and ears."""
    return 1.0 - template.mask("eyeball_R", "eyeball_L", "teeth_upper", "teeth_lower", "ear_R", "ear_L").double()


def jaw_open(template: Template, lower: Tensor) -> Float[Tensor, "vertices 3"]:
    """Rotation of the jaw about its hinge in the affine form that fits the measured travel of lower lip and chin."""
    x, y, z = template.points.unbind(-1)
    up, forward = y + 5.75, z + 10.97
    turn = torch.stack([torch.zeros_like(x), -0.117 * up - 0.282 * forward, 0.282 * up - 0.117 * forward], dim=-1)
    return turn * (lower * jaw_share(y, z))[:, None]


def jaw_share(y: Tensor, z: Tensor) -> Tensor:
    """How firmly skin is attached to the jaw bone: fully at the chin, less to the ears, not at all at the neck's base."""
    ear = soft_step(z, -7.5, -1.0)
    throat = soft_step(y, -16.0, -11.5)
    cheek = soft_step(y, -1.0, -6.5)
    return ear * throat * cheek


def pull(template: Template, travel: Travel, reach: float = 4.0, mirror: bool = False) -> Float[Tensor, "vertices 3"]:
    """Soft tissue drawn so that the named landmarks travel as given and the far ones stay; `mirror` adds the other side's twins."""
    wanted = dict(travel)
    if mirror:
        wanted |= {MIRROR[number]: (-x, y, z) for number, (x, y, z) in travel.items()}
    marks = template.marks
    goal = torch.zeros(68, 3, dtype=torch.float64)
    moved = torch.zeros(68, dtype=torch.bool)
    for number, step in wanted.items():
        goal[number], moved[number] = column(step), True
    distance = torch.cdist(marks, marks[moved]).min(dim=1).values
    used = moved | (distance > 0.45 * reach)
    field = warp(template.points, marks[used], goal[used], reach, ridge=2e-2)
    return field * soft_tissue(template)[:, None]


def swap_sides(travel: Travel) -> Travel:
    return {MIRROR[number]: (-x, y, z) for number, (x, y, z) in travel.items()}


LEFT: dict[str, tuple[Travel, float]] = {
    "mouthSmile": ({54: (0.71, 1.05, -0.91), 64: (0.70, 0.98, -0.85), 53: (0.53, 0.55, -0.63), 55: (0.43, 0.65, -0.55),
                    63: (0.38, 0.38, -0.38), 65: (0.30, 0.36, -0.35), 52: (0.2, 0.15, -0.15), 56: (0.2, 0.2, -0.2)}, 6.0),
    "mouthFrown": ({54: (0.19, -0.46, -0.18), 64: (0.18, -0.39, -0.13), 53: (0.08, -0.20, -0.11), 55: (0.10, -0.14, 0.02)}, 3.0),
    "mouthStretch": ({54: (0.75, -0.35, -0.55), 64: (0.72, -0.30, -0.52), 53: (0.45, -0.1, -0.35), 55: (0.45, -0.35, -0.35),
                      63: (0.3, 0.0, -0.2), 65: (0.3, -0.15, -0.2)}, 4.0),
    "cheekPuff": ({54: (-0.28, 0.17, 0.75), 64: (-0.26, 0.15, 0.72), 55: (-0.24, 0.0, 0.6), 53: (-0.28, 0.15, 0.6),
                   65: (-0.17, 0.07, 0.4), 63: (-0.17, 0.07, 0.4)}, 3.2),
    "noseSneer": ({53: (0.06, 0.89, 0.0), 54: (-0.10, 0.62, 0.05), 35: (0.04, 0.63, 0.01), 63: (0.06, 0.60, -0.01),
                   52: (0.03, 0.57, -0.03), 34: (0.02, 0.3, 0.0)}, 2.8),
    "browOuterUp": ({26: (0.05, 0.5, -0.1), 25: (0.03, 0.6, -0.08), 24: (0.02, 0.42, -0.03), 23: (0.0, 0.15, 0.0)}, 3.6),
    "browDown": ({24: (-0.46, -0.37, 0.28), 25: (-0.38, -0.25, 0.33), 23: (-0.37, -0.34, 0.20), 26: (-0.22, -0.08, 0.31),
                  22: (-0.17, -0.18, 0.10)}, 3.4),
}  # fmt: skip
"""Travel in cm of landmarks of the left side, and the reach in cm of the pull."""

BOTH: dict[str, tuple[Travel, float]] = {
    "browInnerUp": ({23: (0.06, 0.52, -0.05), 22: (0.04, 0.45, -0.02), 24: (0.03, 0.28, -0.03), 25: (0.0, 0.17, -0.02)}, 3.2),
    "mouthPucker": ({64: (-0.52, 0.21, 1.09), 54: (-0.46, 0.22, 0.98), 65: (-0.25, 0.08, 1.05), 63: (-0.25, 0.08, 1.05),
                     53: (-0.3, 0.1, 0.95), 55: (-0.3, 0.1, 0.95), 51: (0.0, 0.05, 0.8), 57: (0.0, 0.1, 0.8), 62: (0.0, 0.05, 0.9),
                     66: (0.0, 0.05, 0.9)}, 4.0),
}  # fmt: skip


def funnel(template: Template, lower: Tensor) -> Float[Tensor, "vertices 3"]:
    """Lips forward and apart, corners drawn in."""
    x, y, z = template.points.unbind(-1)
    near = bump((x / 1.9) ** 2 + ((y + 6.85) / 1.1) ** 2) * soft_step(z, -2.5, 0.5)
    apart = near * (0.75 * (1 - lower) - 0.95 * lower) * bump((x / 1.5) ** 2) ** 0.6
    return torch.stack([-0.32 * torch.tanh(x / 1.2) * near, apart, 0.85 * near], dim=-1) * soft_tissue(template)[:, None]


def upper_up(template: Template, lower: Tensor, sign: float) -> Float[Tensor, "vertices 3"]:
    """One side of the upper lip lifted."""
    x, y, z = template.points.unbind(-1)
    near = bump(((x * sign - 1.1) / 0.9) ** 2 + ((y + 6.3) / 0.8) ** 2) * (1 - lower) * soft_step(z, -1.5, 0.8)
    return torch.stack([torch.zeros_like(x), 0.7 * near, 0.05 * near], dim=-1) * soft_tissue(template)[:, None]


def shift(template: Template, weight: Tensor, x: float, y: float, z: float) -> Float[Tensor, "vertices 3"]:
    return weight[:, None] * column([x, y, z])


def lids(template: Template, sign: float, close: float, raise_lower: float) -> Float[Tensor, "vertices 3"]:
    """Lids moved over the eyeball: `close` is the share of the opening that the upper lid travels down (negative: opens wider),
    `raise_lower` the share that the lower lid travels up."""
    points, grid = template.points, template.grid
    x, y, z = points.unbind(-1)
    columns = list(grid.eye_columns[int(sign > 0)])
    columns = [columns[0] - 1, *columns, columns[-1] + 1]
    upper, lower = points[grid.vertex[grid.eye_row, columns]], points[grid.vertex[grid.eye_row + 1, columns]]
    rim = template.mask("rim_L" if sign > 0 else "rim_R")
    skin = template.mask("skin") & (x * sign > 0.3) & (z > -4.0)
    gap_line, upper_line = (upper - lower)[:, 1], upper[:, 1]
    gap, top = _interpolate(x, upper[:, 0], gap_line), _interpolate(x, upper[:, 0], upper_line)
    bottom = top - gap
    is_lower = template.level > 2.0
    is_lower[grid.vertex[grid.eye_row + 1, columns[1:-1]]] = True
    half = len(columns)
    numbers = torch.arange(len(x))[rim]
    is_lower[numbers[half:]] = True
    above, under = (y - top).clamp(min=0.0), (bottom - y).clamp(min=0.0)
    down = close * gap * soft_step(above, 1.5, 0.0)
    up = raise_lower * gap * soft_step(under, 1.2, 0.0)
    step = torch.where(is_lower, up, -down) * (skin | rim)
    new_y = y + step
    front = eyeball_front(x, new_y, EYE_RADIUS + 0.1)
    new_z = torch.where(skin, smooth_max(z, front, 0.2), z)
    forward = torch.where(step.abs() > 1e-3, (new_z - z).clamp(min=0.0) * (step.abs() / 0.15).clamp(max=1.0), torch.zeros_like(z))
    forward[rim] = 0.0
    return torch.stack([torch.zeros_like(x), step, forward], dim=-1)


def _interpolate(at: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear, zero outside the knots (ascending)."""
    index = (torch.searchsorted(knots.contiguous(), at.contiguous()) - 1).clamp(0, len(knots) - 2)
    t = (at - knots[index]) / (knots[index + 1] - knots[index])
    return torch.where((t >= 0) & (t <= 1), values[index] * (1 - t) + values[index + 1] * t, torch.zeros_like(at))


def expression_modes(template: Template) -> dict[str, Float[Tensor, "vertices 3"]]:
    """Displacement in cm at strength 1, by name."""
    x, y, z = template.points.unbind(-1)
    lower = lower_weight(template)
    jaw = lower * jaw_share(y, z)
    mouth = bump((x / 2.6) ** 2 + ((y + 6.85) / 1.6) ** 2) * soft_step(z, -2.5, 0.5) * soft_tissue(template)
    modes = {"jawOpen": jaw_open(template, lower)}
    for name, (travel, reach) in LEFT.items():
        modes[f"{name}_L"] = pull(template, travel, reach)
        modes[f"{name}_R"] = pull(template, swap_sides(travel), reach)
    for suffix, sign in (("L", 1.0), ("R", -1.0)):
        cheek = bump(((x * sign - 4.0) / 1.3) ** 2 + ((y + 3.2) / 1.1) ** 2) * soft_step(z, -4.0, -1.0) * soft_tissue(template)
        modes[f"mouthSmile_{suffix}"] = modes[f"mouthSmile_{suffix}"] + shift(template, cheek, 0.1 * sign, 0.18, 0.25)
    for name, (travel, reach) in BOTH.items():
        modes[name] = pull(template, travel, reach, mirror=True)
    modes["mouthFunnel"] = funnel(template, lower)
    for suffix, sign in (("L", 1.0), ("R", -1.0)):
        modes[f"mouthUpperUp_{suffix}"] = upper_up(template, lower, sign)
        modes[f"eyeBlink_{suffix}"] = lids(template, sign, 0.96, 0.04)
        modes[f"eyeWide_{suffix}"] = lids(template, sign, -0.28, -0.06)
        modes[f"eyeSquint_{suffix}"] = lids(template, sign, 0.22, 0.32)
    modes["jawLeft"], modes["jawRight"] = shift(template, jaw, 0.9, 0.0, 0.0), shift(template, jaw, -0.9, 0.0, 0.0)
    modes["mouthLeft"], modes["mouthRight"] = shift(template, mouth, 0.8, 0.0, 0.0), shift(template, mouth, -0.8, 0.0, 0.0)
    return modes
