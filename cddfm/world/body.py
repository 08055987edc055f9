"""Shoulders and clothes: closed-form meshes in centimetres about the neck, and what is painted on them."""

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

_AXIS_Z = -6.6


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
    wide, slope, girth = (frame[:, index, None] for index in range(3))
    rows = []
    for number, (width, depth, height, forward, behind, shift) in enumerate(_TORSO):
        far = number / (RINGS - 1)
        scale = girth + (wide - girth) * ramp(torch.tensor(far), 0.1, 0.5).to(frame)
        fall = torch.where(front > 0, forward * front**2, behind * front**2)
        hollow = 1 - 0.10 * side.abs() * (front > 0)
        low = height + 11.2
        rows.append(torch.stack([
            width * scale * side, -11.2 + low * slope - fall.expand_as(scale * side), _AXIS_Z + shift + depth * (0.5 + 0.5 * scale) *
            front * hollow,
        ], dim=-1))  # fmt: skip
    return torch.cat(rows, dim=1)


def collar_points(clothes: Clothes, torso: Float[Tensor, "batch torso 3"]) -> Float[Tensor, "batch collar 3"]:
    """A shirt's folded collar, a turtleneck's roll, a hood; far behind the camera's reach where there is none."""
    angle = torch.arange(COLLAR_SECTORS, device=torso.device) / COLLAR_SECTORS * 2 * math.pi
    front, side = angle.cos(), angle.sin()
    base = torso.unflatten(1, (RINGS, SECTORS))[:, 2]
    rise = front.clamp(min=0) ** 2
    opening = ramp(front, 0.80, 0.97)
    # Per kind and ring: how far outside the neck's ring (share), height above it; the shirt's points dip in front.
    tables = {
        "shirt": ((0.92, 1.9), (0.97, 2.3), (1.04, 2.3), (1.14, 1.5), (1.24, 0.4), (1.31, -0.7)),
        "suit": ((0.92, 1.7), (0.97, 2.0), (1.04, 2.0), (1.12, 1.2), (1.20, 0.3), (1.26, -0.5)),
        "turtleneck": ((0.93, 2.0), (0.99, 2.3), (1.06, 2.1), (1.08, 0.9), (1.07, 0.0), (1.10, -0.9)),
        "hoodie": ((1.00, 0.2), (1.10, 1.5), (1.30, 1.9), (1.50, 1.3), (1.60, 0.0), (1.55, -1.4)),
    }
    points = torch.full((len(torso), COLLAR_RINGS, COLLAR_SECTORS, 3), -1e4, device=torso.device)
    for name, table in tables.items():
        worn = (clothes.kind == CLOTHING.index(name))[:, None]
        for ring, (out, up) in enumerate(table):
            scale = 1 + (out - 1) * (1 + (0.35 * rise if name != "turtleneck" else 0 * rise))
            high = up - rise * (0.6 if name in ("shirt", "suit") else 0.9 if name == "hoodie" else -0.3)
            if name in ("shirt", "suit"):
                spread = (0.10 + 0.35 * (clothes.cut[:, 2, None] > 0)) * opening
                high = high - 0.9 * rise * (ring / 5) - 2.5 * opening * (ring / 5) - spread * 2
            else:
                spread = torch.zeros_like(opening)
            place = torch.stack([
                base[..., 0] * scale + torch.sign(side) * spread * 3.0, base[..., 1] + high, _AXIS_Z + (base[..., 2] - _AXIS_Z) * scale,
            ], dim=-1)  # fmt: skip
            points[:, ring] = torch.where(worn.unsqueeze(-1), place, points[:, ring])
    return points.flatten(1, 2)


def paint_clothes(
    rest: Float[Tensor, "3 pixels"],
    collar: Float[Tensor, pixels],
    clothes: Clothes,
    image: Int[Tensor, pixels],
    skin: Float[Tensor, "3 pixels"],
) -> tuple[Float[Tensor, "3 pixels"], Float[Tensor, pixels], Float[Tensor, "3 pixels"]]:
    """Reflectance, how much of it is cloth (0: bare skin), and how folds and knit tilt the surface. rest: position on the unmoved torso.
    collar: 1 on the collar's band."""
    x, y, z = rest
    kind, pattern = clothes.kind[image], clothes.pattern[image]
    garment, second, third = (clothes.colours[:, index].t().index_select(1, image) for index in range(3))
    cut = clothes.cut.t().index_select(1, image)
    across, front = x.abs(), ramp(z, _AXIS_Z - 1, _AXIS_Z + 1)
    base = torch.hypot(x, (z - _AXIS_Z) * 1.05)
    deep = base - 5.9

    def is_(name: str) -> Tensor:
        return (kind == CLOTHING.index(name)).float()

    # Distance (cm) below the neckline; negative on bare skin.
    line = deep - 0.35
    v_line = deep - (1.5 + 0.8 * cut[0]) - front * (5.5 - 1.25 * across).clamp(min=0)
    scoop = deep - (2.6 + 1.1 * cut[0]) - front * 2.2 * ramp(across, 8.0, 2.0)
    strap = torch.maximum(3.3 - (across - 9.0).abs() * 2.5, deep - 7.5)
    hem = line * (is_("crew") + is_("turtleneck") + is_("hoodie")) + v_line * is_("v_neck") + scoop * is_("scoop") + strap * is_("strap")
    open_shirt = deep - 0.2 - front * (4.6 - 1.9 * across).clamp(min=0) * (cut[2] > 0).float()
    hem = hem + open_shirt * (is_("shirt") + is_("suit"))
    hem = torch.where(collar > 0.5, torch.full_like(hem, 4.0), hem)
    cloth = ramp(hem, -0.08, 0.08)
    colour = _pattern(rest, pattern, garment, third, 1 + 0.45 * cut[3])
    band = ramp(hem, 0.75, 0.65) * (is_("crew") + is_("v_neck") + 0.5 * is_("scoop"))
    colour = colour * (1 - 0.18 * band)
    suited = is_("suit")
    lapel_line = deep - 0.9 - front * (7.5 - 1.15 * across).clamp(min=0)
    jacket = ramp(lapel_line, -0.1, 0.1) * suited * (1 - collar)
    shirt = torch.where((jacket > 0.5)[None], colour, second)
    tied = ramp(0.75 + 0.11 * (deep - 1.0).clamp(min=0) - across, -0.06, 0.06) * front * (cut[2] <= 0).float() * (1 - collar)
    shirt = shirt + (third - shirt) * tied * (1 - jacket)
    shirt = shirt * (1 - 0.35 * jacket * ramp(lapel_line, 2.4, 2.1) * front)
    colour = colour + (shirt - colour) * suited
    placket = is_("shirt") * front * ramp(across, 0.85, 0.75) * (1 - collar)
    colour = colour * (1 - 0.10 * placket)
    cord = is_("hoodie") * front * ramp((across - 2.6 - 0.05 * deep).abs(), 0.22, 0.14) * (deep > 2.0)
    colour = colour + (0.75 - colour) * cord * (1 - collar)
    shade = 1 - 0.45 * ramp(hem, 1.0, 0.1) * cloth * 0.35
    shadow = 1 - 0.35 * ramp(hem, -0.7, -0.05) * (1 - cloth)
    albedo = skin * shadow + (colour * shade - skin * shadow) * cloth
    stiff = 0.10 + 0.12 * is_("hoodie") + 0.05 * is_("crew")
    fold = torch.sin(0.55 * y + 0.5 * across + 1.3 * torch.sin(0.31 * x + 4 * cut[0])) + 0.6 * torch.sin(
        0.9 * across - 0.8 * y + 3 * cut[1]
    )
    knit = (pattern == PATTERNS.index("knit")).float() * 0.35 * torch.sin(x * 5.5)
    tilt = torch.stack([fold * stiff + knit, 0.8 * fold * stiff, torch.zeros_like(fold)]) * cloth * (1 - 0.75 * collar)
    return albedo.clamp(0.003, 0.9), cloth, tilt


def _pattern(rest: Tensor, pattern: Tensor, first: Tensor, second: Tensor, scale: Tensor) -> Float[Tensor, "3 pixels"]:
    x, y, _ = rest

    def wave(value: Tensor, width: float) -> Tensor:
        return ramp(torch.sin(value * scale), width - 0.15, width + 0.15)

    rows, columns = wave(y * 3.2, 0.0), wave(x * 3.2, 0.0)
    dots = wave(y * 4.4, 0.45) * wave(x * 4.4, 0.45)
    pins = wave(x * 5.5, 0.9) * 0.35
    knit = 0.25 * (0.5 + 0.5 * torch.sin(x * 5.5 * scale) * torch.sin(y * 4.0 * scale))
    amount = torch.zeros_like(x)
    for name, value in (("stripes", rows), ("checks", 0.5 * (rows + columns)), ("dots", dots), ("knit", knit), ("pinstripe", pins)):
        amount = torch.where(pattern == PATTERNS.index(name), value, amount)
    return first + (second - first) * amount
