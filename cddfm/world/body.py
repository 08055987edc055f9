"""Shoulders and clothes: closed-form meshes in centimetres about the neck; cloth.py paints them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.world.vectors import ramp

SECTORS, RINGS = 48, 14
COLLAR_SECTORS, COLLAR_RINGS = 48, 6
CLOTHING = ("crew", "v_neck", "scoop", "shirt", "suit", "turtleneck", "hoodie", "strap")
PATTERNS = ("plain", "stripes", "checks", "dots", "knit", "pinstripe")
_COLLARED = ("shirt", "suit", "turtleneck", "hoodie")

AXIS_Z = -6.6


@dataclass(frozen=True)
class Clothes:
    """kind: index of CLOTHING. colours: garment, what is worn below or the lapel's shade, and the tie or the pattern's second colour. cut:
    neckline's depth and width, whether the collar is open, pattern's scale, each in [−1, 1]. frame: shoulders' width and slope, neck's
    girth, each about 1."""

    kind: Int[Tensor, batch]
    pattern: Int[Tensor, batch]
    colours: Float[Tensor, "batch 3 3"]
    cut: Float[Tensor, "batch 4"]
    frame: Float[Tensor, "batch 3"]


_TORSO = (
    # half width, half depth, height at the sides, drop in front, drop behind, shift forward
    (5.4, 5.0, -11.2, 3.0, -1.2, -0.6),
    (5.7, 5.3, -12.2, 3.4, -1.3, -0.6),
    (6.3, 5.8, -13.0, 3.8, -1.0, -0.5),
    (7.2, 6.4, -13.6, 4.2, -0.6, -0.4),
    (8.6, 7.2, -14.2, 4.7, 0.0, -0.3),
    (10.4, 8.2, -14.8, 5.2, 0.6, 0.0),
    (12.4, 9.0, -15.4, 5.6, 1.3, 0.2),
    (14.6, 9.6, -16.1, 5.9, 1.9, 0.4),
    (16.8, 10.0, -17.0, 6.0, 2.4, 0.5),
    (18.8, 10.4, -18.2, 5.6, 2.6, 0.6),
    (20.2, 10.8, -20.0, 4.8, 2.6, 0.6),
    (21.0, 11.0, -22.5, 3.6, 2.6, 0.6),
    (21.6, 11.2, -26.0, 2.4, 2.6, 0.6),
    (22.0, 11.4, -32.0, 1.0, 2.6, 0.6),
)


def _ring_triangles(rings: int, sectors: int, start: int = 0) -> Int[Tensor, "triangles 3"]:
    """Between closed rings, outward counter-clockwise where ring 0 is the upper one and sectors run from the front to the left."""
    corner = (torch.arange(rings - 1)[:, None] * sectors + torch.arange(sectors)).flatten() + start
    following = (torch.arange(rings - 1)[:, None] * sectors + (torch.arange(sectors) + 1) % sectors).flatten() + start
    below, diagonal = corner + sectors, following + sectors
    return torch.cat([torch.stack([corner, below, following], -1), torch.stack([following, below, diagonal], -1)])


def torso_triangles() -> Int[Tensor, "triangles 3"]:
    return _ring_triangles(RINGS, SECTORS)


def collar_triangles() -> Int[Tensor, "triangles 3"]:
    """Both sides of the collar's band."""
    outer = _ring_triangles(COLLAR_RINGS, COLLAR_SECTORS)
    return torch.cat([outer, outer.flip(1)])


def torso_points(frame: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch torso 3"]:
    """Ring 0 hides inside the head's neck."""
    angle = torch.arange(SECTORS, device=frame.device) / SECTORS * 2 * math.pi
    front, side = angle.cos(), angle.sin()
    wide, slope, girth = (frame[:, index, None, None] for index in range(3))
    rings = [(width, depth, height + 11.2, forward, behind, AXIS_Z + shift) for width, depth, height, forward, behind, shift in _TORSO]
    width, depth, low, forward, behind, middle = frame.new_tensor(rings).t().unsqueeze(-1)
    far = frame.new_tensor([number / (RINGS - 1) for number in range(RINGS)])[:, None]
    scale = girth + (wide - girth) * ramp(far, 0.1, 0.5)
    fall = torch.where(front > 0, forward * front**2, behind * front**2)
    hollow = 1 - 0.10 * side.abs() * (front > 0)
    x, z = width * scale * side, middle + depth * (0.5 + 0.5 * scale) * front * hollow
    return torch.stack([x, (-11.2 + low * slope - fall).expand_as(x), z], dim=-1).flatten(1, 2)


def collar_points(clothes: Clothes, torso: Float[Tensor, "batch torso 3"]) -> Float[Tensor, "batch collar 3"]:
    """A shirt's folded collar, a turtleneck's roll, a hood; far behind the camera's reach where there is none."""
    angle = torch.arange(COLLAR_SECTORS, device=torso.device) / COLLAR_SECTORS * 2 * math.pi
    front, side = angle.cos(), angle.sin()
    base_x, base_y, base_z = torso.unflatten(1, (RINGS, SECTORS))[:, 2, None].unbind(-1)
    rise = front.clamp(min=0) ** 2
    opening = ramp(front, 0.80, 0.97)
    ring = torso.new_tensor([number / 5 for number in range(COLLAR_RINGS)])[:, None]
    # Per kind and ring: how far outside the neck's ring (share), height above it; the shirt's points dip in front.
    tables = {
        "shirt": ((0.92, 1.9), (0.97, 2.3), (1.04, 2.3), (1.14, 1.5), (1.24, 0.4), (1.31, -0.7)),
        "suit": ((0.92, 1.7), (0.97, 2.0), (1.04, 2.0), (1.12, 1.2), (1.20, 0.3), (1.26, -0.5)),
        "turtleneck": ((0.93, 2.0), (0.99, 2.3), (1.06, 2.1), (1.08, 0.9), (1.07, 0.0), (1.10, -0.9)),
        "hoodie": ((1.00, 0.2), (1.10, 1.5), (1.30, 1.9), (1.50, 1.3), (1.60, 0.0), (1.55, -1.4)),
    }
    points = torch.full((len(torso), COLLAR_RINGS, COLLAR_SECTORS, 3), -1e4, device=torso.device)
    for name, table in tables.items():
        worn = (clothes.kind == CLOTHING.index(name))[:, None, None, None]
        out, up = torso.new_tensor([(out - 1, up) for out, up in table]).t().unsqueeze(-1)
        scale = 1 + out * (1 + (0.35 * rise if name != "turtleneck" else 0 * rise))
        high = up - rise * (0.6 if name in ("shirt", "suit") else 0.9 if name == "hoodie" else -0.3)
        if name in ("shirt", "suit"):
            spread = (0.10 + 0.35 * (clothes.cut[:, 2, None, None] > 0)) * opening
            high = high - 0.9 * rise * ring - 2.5 * opening * ring - spread * 2
        else:
            spread = torch.zeros_like(opening)
        x, z = base_x * scale + torch.sign(side) * spread * 3.0, AXIS_Z + (base_z - AXIS_Z) * scale
        points = torch.where(worn, torch.stack([x, base_y + high, z], dim=-1), points)
    return points.flatten(1, 2)
