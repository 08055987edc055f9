"""How a face moves: displacements at full strength with the names of ARKit's blend shapes, `_L` on the head's own left."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head import eyes
from cddfm.head.clay import Clay
from cddfm.head.figures import MIRROR
from cddfm.head.jaw import jaw_open, jaw_share, lower_weight
from cddfm.head.lids import lids
from cddfm.head.numerics import bump, column, soft_step, warp
from cddfm.head.template import Template
from cddfm.head.travel import BOTH, LEFT, Travel

LOOK = {"Left": 30.0, "Right": 30.0, "Up": 24.0, "Down": 28.0}
"""Degrees that the eyes turn at full strength."""


def soft_tissue(template: Template) -> Tensor:
    """1 where soft tissue follows expressions, 0 at eyeballs, teeth, tongue and ears."""
    hard = (
        "eyeball_R",
        "eyeball_L",
        "rim_R",
        "rim_L",
        "caruncle_R",
        "caruncle_L",
        "teeth_upper",
        "teeth_lower",
        "tongue",
        "ear_R",
        "ear_L",
    )
    return 1.0 - template.mask(*hard).double()


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


def look(template: Template, sign: float, direction: str) -> Float[Tensor, "vertices 3"]:
    """One eyeball turned (the straight way to its place at full strength), the lids following up and down."""
    angle = torch.deg2rad(column(LOOK[direction]))
    part = template.part["eyeball_L" if sign > 0 else "eyeball_R"]
    arm = template.points[part] - eyes.centre(int(sign))
    yaw = {"Left": angle, "Right": -angle}.get(direction, column(0.0))
    pitch = {"Up": angle, "Down": -angle}.get(direction, column(0.0))
    x, y, z = arm.unbind(-1)
    x, z = x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin()
    y, z = y * pitch.cos() + z * pitch.sin(), z * pitch.cos() - y * pitch.sin()
    upper, lower = {"Up": (-0.36, 0.17), "Down": (0.68, -0.22)}.get(direction, (0.0, 0.0))
    move = lids(template, sign, upper, lower) if upper else torch.zeros_like(template.points)
    move[part] = torch.stack([x, y, z], dim=-1) - arm
    return move


def one_side(clay: Clay, sign: float) -> Tensor:
    """1 on this side of the face, 0 on the other, soft over the middle."""
    return soft_step(clay.x * sign, -0.9, 0.9)


def smile_more(clay: Clay, sign: float, lower: Tensor) -> Float[Tensor, "vertices 3"]:
    """Beyond the corners: cheeks rise and fill, the fold deepens, lids narrow, the lips part over the upper teeth."""
    side, tissue = one_side(clay, sign), soft_tissue(clay.template)
    cheek = bump(((clay.x * sign - 3.9) / 1.25) ** 2 + ((clay.y + 3.0) / 1.0) ** 2) * clay.face * tissue
    move = clay.shift(cheek, 0.10 * sign, 0.26, 0.30)
    fold = clay.stroke(((1.9, -4.0), (2.5, -4.7), (3.2, -5.6), (3.6, -6.5)), 0.24, -0.16, 0.3)
    beyond = clay.stroke(((2.4, -3.7), (3.1, -4.5), (3.9, -5.4)), 0.5, 0.10, 0.0)
    bags = clay.stroke(((2.4, -1.0), (3.3, -1.2), (4.2, -0.9)), 0.22, 0.05, 0.3)
    move = move + (fold + beyond + bags) * side[:, None]
    mouth = bump((clay.x / 1.5) ** 2 + ((clay.y + 6.85) / 1.1) ** 2) * clay.face * tissue * side
    move = move + clay.shift(mouth * (1 - lower), 0.0, 0.26, -0.08) + clay.shift(mouth * lower, 0.0, -0.30, -0.05)
    return move + lids(clay.template, sign, 0.10, 0.17)


def lip_moves(clay: Clay, lower: Tensor) -> dict[str, Float[Tensor, "vertices 3"]]:
    """What lips do by themselves: roll in, press, shrug, open up and down."""
    above, under, inside = clay.upper_lip(), clay.lower_lip(), clay.pout()
    front = clay.face > 0.5
    on_upper, on_lower = front & (clay.level >= 8) & (clay.level < 9), front & (clay.level >= 9) & (clay.level < 10)
    edge_up = soft_step(clay.level, 8.0, 9.0) * on_upper * soft_step(clay.side, 2.4, 1.2)
    edge_low = soft_step(clay.level, 10.0, 9.0) * on_lower * soft_step(clay.side, 2.4, 1.2)
    near = bump((clay.x / 2.1) ** 2 + ((clay.y + 6.85) / 1.3) ** 2) * clay.face * soft_tissue(clay.template)
    chin = bump((clay.x / 1.9) ** 2 + ((clay.y + 9.6) / 1.1) ** 2) * clay.face * soft_tissue(clay.template)
    moves = {
        "mouthRollUpper": clay.shift(above, 0.0, -0.42, -0.42)
        + clay.shift(edge_up, 0.0, -0.12, -0.40)
        + clay.shift(inside * on_upper, 0, 0, -0.3),
        "mouthRollLower": clay.shift(under, 0.0, 0.55, -0.35)
        + clay.shift(edge_low, 0.0, 0.10, -0.42)
        + clay.shift(inside * on_lower, 0, 0, -0.3),
        "mouthShrugUpper": clay.shift(near, 0.0, 0.42, 0.06),
        "mouthShrugLower": clay.shift(near, 0.0, 0.34, 0.34)
        + clay.shift(chin, 0.0, 0.42, 0.16)
        + clay.shift(near * lower, 0.0, 0.10, 0.12),
    }
    for suffix, sign in (("L", 1.0), ("R", -1.0)):
        side = one_side(clay, sign)
        moves[f"mouthPress_{suffix}"] = (
            clay.shift(above * side, 0.0, -0.12, -0.10)
            + clay.shift(under * side, 0.0, 0.22, -0.04)
            + clay.shift(chin * side, 0.0, 0.2, 0.1)
        )
        quarter = bump(((clay.x * sign - 0.9) / 1.3) ** 2 + ((clay.y + 7.2) / 1.5) ** 2) * clay.face * soft_tissue(clay.template)
        moves[f"mouthLowerDown_{suffix}"] = clay.shift(quarter * lower, 0.08 * sign, -0.55, -0.12)
        lift = bump(((clay.x * sign - 1.2) / 1.15) ** 2 + ((clay.y + 5.9) / 1.5) ** 2) * clay.face * soft_tissue(clay.template)
        moves[f"mouthUpperUp_{suffix}"] = clay.shift(lift * (1 - lower), 0.1 * sign, 0.72, -0.04) + side[:, None] * clay.stroke(
            ((1.8, -3.9), (2.3, -4.6), (2.8, -5.4)), 0.22, -0.08, 0.3
        )
    return moves


def funnel(clay: Clay, lower: Tensor) -> Float[Tensor, "vertices 3"]:
    """Lips forward and apart, corners drawn in: an O that shows some teeth."""
    x, y, z = clay.x, clay.y, clay.z
    tissue = soft_tissue(clay.template)
    near = bump((x / 2.0) ** 2 + ((y + 6.85) / 1.25) ** 2) * soft_step(z, -2.5, 0.5) * tissue
    apart = near * (0.66 * (1 - lower) - 0.95 * lower) * bump((x / 1.75) ** 4) ** 0.7
    lips = torch.stack([-0.26 * x * near, apart, 0.85 * near], dim=-1)
    behind = clay.template.mask("teeth_lower", "tongue").double()
    return lips + 0.16 * behind[:, None] * jaw_open(clay.template, lower)


def with_wrinkles(clay: Clay, name: str, sign: float) -> Float[Tensor, "vertices 3"]:
    """Folds that an expression throws into the skin."""
    side = one_side(clay, sign)[:, None]
    if name == "browDown":
        return side * (
            clay.stroke(((0.38, 1.7), (0.5, 2.3), (0.55, 2.9)), 0.13, -0.07, 0.3) + clay.stroke(((0.9, 1.9), (1.1, 2.5)), 0.3, 0.07, 0.0)
        )
    if name == "browInnerUp":
        rows = clay.stroke(((0.0, 3.7), (1.4, 3.8), (2.6, 3.5)), 0.14, -0.05, 0.4) + clay.stroke(
            ((0.0, 4.5), (1.5, 4.6), (2.6, 4.3)), 0.14, -0.05, 0.4
        )
        return side * rows
    if name == "browOuterUp":
        rows = clay.stroke(((2.0, 3.9), (3.4, 3.95), (4.8, 3.4)), 0.14, -0.05, 0.4) + clay.stroke(
            ((2.0, 4.7), (3.4, 4.7), (4.6, 4.2)), 0.14, -0.04, 0.4
        )
        return side * rows
    if name == "noseSneer":
        wrinkles = clay.stroke(((0.15, -0.5), (0.7, -0.8), (1.2, -1.3)), 0.15, -0.06, 0.3) + clay.stroke(
            ((0.2, -0.1), (0.75, -0.3)), 0.14, -0.05, 0.3
        )
        wing = clay.move(up=0.22 * clay.spot(1.3, -4.2, 0.6, 0.7), outwards=0.08 * clay.spot(1.4, -4.1, 0.5, 0.6))
        return side * (wrinkles + wing + clay.stroke(((1.8, -3.8), (2.3, -4.6), (2.8, -5.4)), 0.2, -0.08, 0.3))
    if name == "mouthFrown":
        return side * clay.stroke(((2.75, -7.2), (3.05, -8.0), (3.0, -8.7)), 0.2, -0.07, 0.3)
    if name == "mouthDimple":
        return side * clay.stroke(((2.95, -6.3), (3.1, -7.2)), 0.26, -0.13, 0.0)
    if name == "cheekPuff":
        return side * clay.stroke(((4.3, -4.6), (4.4, -7.0)), 1.4, 0.75, 0.0)
    return torch.zeros_like(clay.points)


def expression_modes(template: Template) -> dict[str, Float[Tensor, "vertices 3"]]:
    """Displacement in cm at strength 1, by name."""
    clay = Clay(template)
    x, y, z = clay.x, clay.y, clay.z
    lower = lower_weight(template)
    jaw = lower * jaw_share(y, z)
    tissue = soft_tissue(template)
    mouth = bump((x / 2.7) ** 2 + ((y + 6.85) / 1.7) ** 2) * soft_step(z, -2.5, 0.5) * tissue
    modes = {"jawOpen": jaw_open(template, lower)}
    modes["jawForward"], modes["jawLeft"] = clay.shift(jaw, 0.0, -0.04, 1.0), clay.shift(jaw, 0.88, 0.0, 0.0)
    modes["jawRight"] = clay.shift(jaw, -0.88, 0.0, 0.0)
    for name, (travel, reach) in LEFT.items():
        for suffix, sign in (("L", 1.0), ("R", -1.0)):
            goal = travel if sign > 0 else swap_sides(travel)
            modes[f"{name}_{suffix}"] = pull(template, goal, reach) + with_wrinkles(clay, name, sign)
    for suffix, sign in (("L", 1.0), ("R", -1.0)):
        modes[f"mouthSmile_{suffix}"] = modes[f"mouthSmile_{suffix}"] + smile_more(clay, sign, lower)
        modes[f"eyeBlink_{suffix}"] = lids(template, sign, 1.0, 0.0)
        modes[f"eyeWide_{suffix}"] = lids(template, sign, -0.36, -0.05)
        modes[f"eyeSquint_{suffix}"] = lids(template, sign, 0.22, 0.30) + one_side(clay, sign)[:, None] * clay.stroke(
            ((2.4, -1.0), (3.3, -1.2), (4.3, -0.9)), 0.24, 0.07, 0.3
        )
        cheek = bump(((x * sign - 4.1) / 1.5) ** 2 + ((y + 2.3) / 1.0) ** 2) * clay.face * tissue
        modes[f"cheekSquint_{suffix}"] = clay.shift(cheek, 0.05 * sign, 0.32, 0.26) + lids(template, sign, 0.06, 0.24)
        for direction in LOOK:
            inward = {("Left", -1.0): "In", ("Left", 1.0): "Out", ("Right", -1.0): "Out", ("Right", 1.0): "In"}
            modes[f"eyeLook{inward.get((direction, sign), direction)}_{suffix}"] = look(template, sign, direction)
    for name, (travel, reach) in BOTH.items():
        modes[name] = pull(template, travel, reach, mirror=True)
    modes["mouthFunnel"] = funnel(clay, lower)
    modes |= lip_moves(clay, lower)
    modes["mouthLeft"], modes["mouthRight"] = clay.shift(mouth, 1.2, 0.0, 0.0), clay.shift(mouth, -1.2, 0.0, 0.0)
    return {name: template.attach(_own_lashes(template, modes[name])) for name in sorted(modes)}


def _own_lashes(template: Template, move: Tensor) -> Tensor:
    """Brow hairs move with the skin alone; lashes keep what `lids` turned them by, not what a pull did to the space around them."""
    kept = template.bald(move)
    for name in ("lashes_R", "lashes_L"):
        part = template.part[name]
        if not bool(move[part].view(-1, 3, 3)[:, :2].any()):
            kept[part] = move[part]
    return kept
