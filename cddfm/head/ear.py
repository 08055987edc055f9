"""An ear: a disc around the concha with helix, antihelix, tragus and lobe drawn into it, folded behind its rim into the head."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.grid import Part, fan_and_rings
from cddfm.head.numerics import bump, column, soft_step, through, to_path

SECTORS = 36
RINGS = (0.1, 0.22, 0.34, 0.45, 0.55, 0.64, 0.72, 0.79, 0.85, 0.90, 0.95, 0.985, 1.0)
BACK = ((0.985, -0.20), (0.90, -0.34), (0.76, -0.45), (0.5, -1.0))
"""Rings of the ear's back: (share of the outline, depth in cm)."""

OUTLINE = (
    (0, 1.72), (25, 2.05), (50, 2.52), (72, 2.80), (92, 2.72), (115, 2.30), (140, 1.72), (165, 1.32), (190, 1.20), (215, 1.35),
    (240, 1.95), (258, 2.60), (272, 2.78), (285, 2.62), (305, 2.08), (330, 1.72), (360, 1.72),
)  # fmt: skip
"""Radius in cm from the concha by angle in degrees: 0 backwards, 90 up, 180 forwards."""

FOLDS = (
    (((-0.30, -0.20), (-0.75, 0.35), (-1.02, 1.10), (-0.72, 1.95), (0.05, 2.44), (0.85, 2.30), (1.45, 1.70), (1.70, 0.85), (1.62, 0.0),
      (1.40, -0.80), (1.05, -1.50)), 0.19, 0.36),
    (((0.62, -1.25), (0.92, -0.65), (1.02, 0.05), (0.88, 0.75), (0.50, 1.30), (0.05, 1.75)), 0.25, 0.30),
    (((0.80, 0.80), (0.30, 0.98), (-0.30, 0.95)), 0.17, 0.16),
    (((1.28, 1.45), (1.38, 0.60), (1.24, -0.40)), 0.15, -0.10),
    (((0.62, -1.30), (0.25, -1.42)), 0.20, 0.18),
)  # fmt: skip
"""Helix, antihelix, its lower crus, scapha, antitragus: path (backwards, up), width, height in cm."""


def relief(backward: Tensor, up: Tensor) -> Tensor:
    """Height of the ear's front (cm) over its plane."""
    flat = torch.stack([backward, up], dim=-1)
    height = torch.zeros_like(backward)
    for path, width, amount in FOLDS:
        distance, share = to_path(flat, column(path))
        height = height + amount * bump((distance / width) ** 2) * soft_step(share, 1.0, 0.8).clamp(min=0.15)
    height = height - 0.62 * bump(((backward - 0.12) / 0.55) ** 2 + ((up + 0.25) / 0.62) ** 2)
    height = height - 0.22 * bump(((backward - 0.1) / 0.4) ** 2 + ((up - 0.62) / 0.3) ** 2)
    height = height + 0.36 * bump(((backward + 0.80) / 0.22) ** 2 + ((up + 0.35) / 0.38) ** 2)
    return height + 0.14 * bump(((backward + 0.15) / 0.45) ** 2 + ((up + 2.1) / 0.5) ** 2)


def ear(side: int, offset: int) -> Part:
    """side −1 is the head's right."""
    turn = torch.arange(SECTORS, dtype=torch.float64) * (2 * math.pi / SECTORS)
    outline = through(OUTLINE, torch.rad2deg(turn))
    local = [column([[0.0, 0.0]])]
    local += [torch.stack([turn.cos(), turn.sin()], -1) * (outline * radius)[:, None] for radius in RINGS]
    front = torch.cat(local)
    depth = relief(front[:, 0], front[:, 1])
    rim = soft_step(front.norm(dim=1) / torch.cat([outline[:1], outline.repeat(len(RINGS))]), 0.9, 1.0)
    depth = depth - 0.10 * rim
    back = torch.cat([torch.stack([turn.cos(), turn.sin()], -1) * (outline * radius)[:, None] for radius, _ in BACK])
    backward, up = torch.cat([front, back]).unbind(-1)
    depth = torch.cat([depth, column([level for _, level in BACK]).repeat_interleave(SECTORS)])
    flare, lean = math.radians(33.0), 0.20
    along = 1.12 * (backward + 1.1)
    curl = 0.05 * (along.clamp(min=0.0)) ** 2
    outward = depth * math.cos(flare) + along * math.sin(flare) - curl
    behind = along * math.cos(flare) - depth * math.sin(flare)
    # The lobe turns in towards the jaw; the front of the ear sinks into the head.
    sink = 0.45 * soft_step(along, 0.7, -0.1) + 0.55 * soft_step(up, -1.2, -2.8)
    points = torch.stack([side * (7.50 + outward - sink), -2.15 + 0.98 * up, -7.45 - behind - lean * up], dim=-1)
    triangles = fan_and_rings(len(RINGS) + len(BACK), SECTORS, offset)
    return Part(points, triangles if side > 0 else triangles.flip(1))


def local_height(points: Float[Tensor, "points 3"]) -> Tensor:
    """Height in cm of points of an ear over its concha."""
    return (points[:, 1] + 2.15) / 0.98
