"""The fine sculpting: strokes of a tool along curves on the face, raising or carving the skin along its normals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.grid import Grid
from cddfm.head.numerics import bump, column, normals_of, soft_step, to_path
from cddfm.head.sculpt import relax

Path = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Stroke:
    """path: (|x|, y) seen from the front. width, height: cm; height < 0 carves. fade: share of the path over which either end fades out
    (0: round ends). back: z in cm from which on the stroke is not felt."""

    path: Path
    width: float
    height: float
    fade: float = 0.25
    back: float = -3.0


STROKES: dict[str, Stroke] = {
    "tip": Stroke(((0.0, -3.25), (0.0, -3.55)), 0.42, 0.07, 0.0),
    "alar crease": Stroke(((1.20, -3.30), (1.62, -3.55), (1.82, -4.05), (1.72, -4.55), (1.45, -4.85)), 0.13, -0.16),
    "wing": Stroke(((0.98, -3.62), (1.40, -3.75), (1.56, -4.10), (1.45, -4.50)), 0.20, 0.07),
    "tip crease": Stroke(((0.62, -4.25), (0.80, -3.75), (0.86, -3.35)), 0.16, -0.07),
    "philtrum": Stroke(((0.0, -5.05), (0.0, -5.80)), 0.19, -0.06, 0.0),
    "philtrum ridge": Stroke(((0.28, -5.0), (0.42, -5.80)), 0.13, 0.05),
    "nasolabial fold": Stroke(((1.85, -3.9), (2.35, -4.7), (2.85, -5.6), (3.15, -6.4)), 0.28, -0.09, 0.35),
    "cheek by the fold": Stroke(((2.3, -3.7), (2.9, -4.6), (3.45, -5.6)), 0.5, 0.06, 0.0),
    "upper border": Stroke(((0.02, -5.93), (0.40, -5.78), (0.73, -5.82), (1.7, -6.18), (2.2, -6.55)), 0.10, 0.035),
    "lower border": Stroke(((0.0, -7.88), (1.03, -7.80), (1.8, -7.52)), 0.10, 0.03),
    "tubercle": Stroke(((0.0, -6.30), (0.0, -6.45)), 0.24, 0.05, 0.0),
    "lower lip pillows": Stroke(((0.5, -7.28), (0.95, -7.25)), 0.40, 0.03, 0.0),
    "corner": Stroke(((2.45, -6.95), (2.75, -7.05)), 0.26, -0.06, 0.0),
    "under the lip": Stroke(((0.0, -8.45), (0.9, -8.35), (1.6, -8.0)), 0.32, -0.07, 0.0),
    "chin": Stroke(((0.0, -9.7), (0.75, -9.75)), 0.6, 0.06, 0.0),
    "glabella": Stroke(((0.55, 1.9), (1.3, 2.2)), 0.4, 0.03, 0.0),
    "orbital rim": Stroke(((1.5, 1.75), (2.6, 1.95), (3.8, 1.85), (4.75, 1.2), (5.15, 0.3)), 0.36, 0.15, 0.3),
    "tear trough": Stroke(((1.75, -0.55), (2.3, -1.15), (3.0, -1.45)), 0.24, -0.06, 0.4),
    "under-eye": Stroke(((2.3, -0.75), (3.3, -0.92), (4.2, -0.65)), 0.24, 0.045, 0.4),
    "cheekbone": Stroke(((3.6, -1.9), (5.2, -1.6), (6.4, -1.2)), 0.7, 0.12, 0.0),
    "hollow of the cheek": Stroke(((5.2, -4.6), (4.6, -5.8)), 0.9, -0.12, 0.0),
    "neck muscle": Stroke(((5.0, -11.6), (3.6, -13.6), (1.0, -17.2)), 0.5, 0.22, 0.3, -7.0),
    "pit of the neck": Stroke(((0.0, -16.2), (0.0, -17.5)), 0.6, -0.2, 0.0, -7.0),
    "larynx": Stroke(((0.0, -12.8), (0.0, -13.6)), 0.6, 0.14, 0.0, -7.0),
    "temple": Stroke(((6.0, 3.6), (6.3, 1.8)), 1.0, -0.12, 0.0),
}
"""What is drawn into the mean face, on both sides alike."""


def front_distance(points: Float[Tensor, "points 3"], path: Path, back: float = -3.0) -> tuple[Tensor, Tensor]:
    """Distance to a path lying on the front of the face, seen from both sides alike, and the share of its length nearest."""
    # Away from the mid-line |x| is rounded at 0, so that a stroke beside it leaves no crease on it.
    side = points[:, 0].abs() if path[0][0] < 0.05 else (points[:, 0] ** 2 + 0.04).sqrt()
    seen = torch.stack([side, points[:, 1]], dim=1)
    knots = column(path)
    flat, share = to_path(seen, knots)
    behind = soft_step(points[:, 2], back, back - 3.0)
    return flat + 3.0 * behind / (1.001 - behind), share


def ends(share: Tensor, stroke: Stroke) -> Tensor:
    """1 along the path, 0 at its ends unless it does not fade or starts on the mid-line."""
    if stroke.fade == 0.0:
        return torch.ones_like(share)
    fade = soft_step(share, 1 + 1e-9, 1 - stroke.fade)
    return fade if stroke.path[0][0] < 0.05 else fade * soft_step(share, -1e-9, stroke.fade)


def stroke_field(points: Float[Tensor, "points 3"], stroke: Stroke) -> Tensor:
    """Height of a stroke in cm at each point."""
    distance, share = front_distance(points, stroke.path, stroke.back)
    fade = ends(share, stroke)
    middle = bump((distance / stroke.width) ** 2)
    return stroke.height * middle * fade


def draw_strokes(points: Float[Tensor, "points 3"], triangles: Tensor) -> Float[Tensor, "points 3"]:
    """The face with all strokes drawn, each on the result of those before it."""
    for stroke in STROKES.values():
        points = points + stroke_field(points, stroke)[:, None] * normals_of(points, triangles)
    return points


def carve_nostrils(points: Float[Tensor, "points 3"], grid: Grid) -> tuple[Float[Tensor, "points 3"], Float[Tensor, " points"]]:
    """Two hollows pushed up into the nose from its underside, and how deep in them (0 to 1) each point lies."""
    depth = nostril_depth(points)
    push = torch.stack([-0.10 * points[:, 0].sign(), torch.full_like(depth, 0.42), torch.full_like(depth, -0.42)], dim=1)
    points = points + depth[:, None] * push
    x, y, z = points.unbind(-1)
    around = bump(((x.abs() - 0.68) / 0.42) ** 2 + ((y + 4.6) / 0.3) ** 2) * (z > 0.0)
    return relax(points, grid, 0.45 * around, 3), depth


def nostril_depth(points: Float[Tensor, "points 3"]) -> Tensor:
    """1 in the middle of a nostril, 0 outside."""
    x, y, z = points.unbind(-1)
    # In the plane of the underside the opening is an oval that runs outwards and backwards.
    across, forward = x.abs() - 0.66, z - 2.35
    turned = 0.86 * across + 0.5 * forward, -0.5 * across + 0.86 * forward
    oval = (turned[0] / 0.24) ** 2 + (turned[1] / 0.36) ** 2
    return soft_step(oval, 1.9, 0.35) * soft_step(y, -3.9, -4.2) * soft_step(y, -5.1, -4.75)
