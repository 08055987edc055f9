"""The words in which differences between people are written: places on the mean head, brushes and strokes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.grid import LOWER_LIP
from cddfm.head.numerics import Number, bump, normals_of, soft_step
from cddfm.head.strokes import Path, Stroke, stroke_field
from cddfm.head.template import Template


class Clay:
    """A head about to be changed. Coordinates in cm; `side` is |x|, `front` is 1 on the face and 0 behind the ears."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.points = template.points
        self.x, self.y, self.z = template.points.unbind(-1)
        self.side, self.sign = self.x.abs(), self.x.sign()
        self.front = soft_step(self.z, -9.0, -3.0)
        self.face = soft_step(self.z, -5.0, -2.5)
        self.skin = template.mask("skin").double()
        self.level = torch.where(template.mask("skin"), template.level, torch.full_like(self.x, -9.0))
        self.zero = torch.zeros_like(self.x)
        self.normals = normals_of(template.points, template.triangles) * self.skin[:, None]

    def spot(self, at_x: float, at_y: float, wide: float, tall: float) -> Tensor:
        """A bump at (±at_x, at_y) on the front of the head."""
        return self.front * bump(((self.side - at_x) / wide) ** 2 + ((self.y - at_y) / tall) ** 2)

    def one(self, at_x: float, at_y: float, wide: float, tall: float) -> Tensor:
        """A bump on one side only."""
        return self.front * bump(((self.x - at_x) / wide) ** 2 + ((self.y - at_y) / tall) ** 2)

    def move(self, outwards: Tensor | float = 0.0, up: Tensor | float = 0.0, forward: Tensor | float = 0.0) -> Float[Tensor, "points 3"]:
        """A displacement; outwards is away from the middle, faded to nothing on the mid-line."""
        calm = torch.tanh(self.x / 0.4)
        return torch.stack([calm * outwards + self.zero, up + self.zero, forward + self.zero], dim=-1)

    def shift(self, weight: Tensor, x: Number, y: Number, z: Number) -> Float[Tensor, "points 3"]:
        """The same displacement everywhere, weighted; x to the head's left."""
        return torch.stack([weight * x, weight * y, weight * z], dim=-1)

    def stroke(self, path: Path, width: float, height: float, fade: float = 0.25, back: float = -3.0) -> Float[Tensor, "points 3"]:
        """A line raised or carved along the normals."""
        return stroke_field(self.points, Stroke(path, width, height, fade, back))[:, None] * self.normals

    def ears(self) -> Tensor:
        return self.template.mask("ear_R", "ear_L").double()

    def upper_lip(self) -> Tensor:
        """1 at the upper border of the lips, 0 at the mouth's line; fades into the skin above."""
        band = LOWER_LIP - 1
        on = soft_step(self.level, band + 1.0, band + 0.0) * (self.level >= band) * (self.level < LOWER_LIP)
        above = soft_step(self.level, band - 0.9, band + 0.0) * (self.level < band)
        return (on + above) * soft_step(self.side, 2.7, 1.2) * self.face * self.skin

    def lower_lip(self) -> Tensor:
        """1 at the lower border of the lips, 0 at the mouth's line; fades into the skin below."""
        on = soft_step(self.level, LOWER_LIP, LOWER_LIP + 1.0) * (self.level >= LOWER_LIP) * (self.level < LOWER_LIP + 1)
        below = soft_step(self.level, LOWER_LIP + 2.0, LOWER_LIP + 1.0) * (self.level >= LOWER_LIP + 1)
        return (on + below) * soft_step(self.side, 2.7, 1.2) * self.face * self.skin

    def pout(self) -> Tensor:
        """1 in the middle of each lip, 0 at its borders."""
        inside = (self.level >= LOWER_LIP - 1) & (self.level < LOWER_LIP + 1)
        return torch.sin(torch.pi * self.level).abs() * inside * soft_step(self.side, 2.6, 1.0) * self.face

    def own_hair(self, name: str) -> Float[Tensor, "points 3"]:
        """What brows and lashes do of their own accord in a mode: grow."""
        grown = torch.zeros_like(self.points)
        parts = {"browHair": ("brow_R", "brow_L"), "lashLength": ("lashes_R", "lashes_L")}.get(name, ())
        for part in parts:
            hair = self.template.part[part]
            corner = self.points[hair].view(-1, 3, 3)
            root = corner[:, :2].mean(1)
            growth = torch.zeros_like(corner)
            growth[:, 2] = (0.10 if part.startswith("brow") else 0.16) * (corner[:, 2] - root)
            growth[:, :2] = (0.16 if part.startswith("brow") else 0.10) * (corner[:, :2] - root[:, None])
            grown[hair] = growth.flatten(0, 1)
        return grown
