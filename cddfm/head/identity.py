"""How people's heads differ: named deformation fields, each in units of one standard deviation of the measured figures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.head.numerics import bump, soft_step
from cddfm.head.sculpt import EYE_CENTRE
from cddfm.head.template import Template


class Clay:
    """The points to be deformed, and the words in which fields are written: places of the face seen from the front (cm)."""

    def __init__(self, points: Float[Tensor, "points 3"]) -> None:
        self.x, self.y, self.z = points.unbind(-1)
        self.side, self.sign = self.x.abs(), self.x.sign()
        self.front = soft_step(self.z, -9.0, -3.0)
        self.zero = torch.zeros_like(self.x)

    def spot(self, at_x: float, at_y: float, wide: float, tall: float) -> Tensor:
        """A bump at (±at_x, at_y) on the front of the head."""
        return self.front * bump(((self.side - at_x) / wide) ** 2 + ((self.y - at_y) / tall) ** 2)

    def move(self, outwards: Tensor | float = 0.0, up: Tensor | float = 0.0, forward: Tensor | float = 0.0) -> Tensor:
        """A displacement; outwards is away from the middle, faded to nothing on the mid-line."""
        calm = torch.tanh(self.x / 0.4)
        return torch.stack([calm * outwards + self.zero, up + self.zero, forward + self.zero], dim=-1)


Field = Callable[[Clay], Tensor]


def _mouth(c: Clay) -> Tensor:
    return c.spot(0.0, -6.85, 2.3, 1.15)


def _eye(c: Clay) -> Tensor:
    return c.spot(EYE_CENTRE[0], EYE_CENTRE[1], 1.25, 0.95)


FIELDS: dict[str, Field] = {
    "faceWidth": lambda c: c.move(outwards=0.044 * c.side),
    "faceHeight": lambda c: c.move(up=0.048 * c.y * soft_step(c.y, 2.0, -1.0) + 0.012 * c.y * soft_step(c.y, 0.0, 4.0)),
    "headDepth": lambda c: c.move(forward=0.05 * (c.z + 1.0).clamp(max=0.0)),
    "jawWidth": lambda c: c.move(outwards=0.22 * c.spot(6.0, -8.0, 2.4, 2.6)),
    "chinLength": lambda c: c.move(up=-0.24 * soft_step(c.y, -7.0, -10.5) * c.front * bump((c.x / 5.0) ** 2)),
    "chinProtrusion": lambda c: c.move(forward=0.36 * c.spot(0.0, -10.4, 3.2, 1.7)),
    "chinWidth": lambda c: c.move(outwards=0.20 * c.spot(2.6, -10.4, 1.6, 1.4)),
    "jawForward": lambda c: c.move(forward=0.26 * soft_step(c.y, -1.5, -9.0) * c.front),
    "cheekbones": lambda c: c.move(0.20 * c.spot(5.6, -2.0, 1.8, 1.5), 0.0, 0.14 * c.spot(4.8, -1.9, 1.5, 1.2)),
    "cheekFullness": lambda c: c.move(0.26 * c.spot(5.4, -5.6, 1.9, 1.9), 0.0, 0.2 * c.spot(4.2, -5.2, 1.7, 1.7)),
    "foreheadHeight": lambda c: c.move(up=0.38 * soft_step(c.y, 2.8, 9.0)),
    "foreheadSlope": lambda c: c.move(forward=0.42 * c.front * soft_step(c.y, 2.0, 8.0)),
    "browRidge": lambda c: c.move(up=-0.05 * c.spot(2.8, 2.4, 3.0, 1.0), forward=0.24 * c.spot(2.2, 2.3, 3.6, 1.0)),
    "browHeight": lambda c: c.move(up=0.20 * c.spot(3.4, 2.6, 3.0, 1.1)),
    "eyeSize": lambda c: c.move(0.075 * _eye(c) * (c.side - EYE_CENTRE[0]), 0.22 * _eye(c) * (c.y - 0.04)),
    "eyeSpacing": lambda c: c.move(outwards=0.15 * c.spot(3.0, 0.3, 1.9, 1.6)),
    "eyeTilt": lambda c: c.move(up=0.09 * (c.side - EYE_CENTRE[0]) * c.spot(3.15, 0.2, 1.7, 1.5)),
    "eyeDepth": lambda c: c.move(forward=0.13 * c.spot(3.2, 0.2, 2.0, 1.5)),
    "noseLength": lambda c: c.move(up=-0.21 * c.spot(0.0, -4.2, 1.6, 1.7)),
    "noseWidth": lambda c: c.move(outwards=0.12 * c.spot(1.25, -4.2, 0.75, 0.9)),
    "noseBridge": lambda c: c.move(forward=0.30 * c.spot(0.0, -0.2, 1.0, 1.6)),
    "noseTip": lambda c: c.move(up=0.10 * c.spot(0.0, -3.6, 1.0, 0.9), forward=0.28 * c.spot(0.0, -3.2, 1.0, 1.3)),
    "midface": lambda c: c.move(forward=0.22 * c.spot(0.0, -3.6, 3.0, 3.0)),
    "mouthWidth": lambda c: c.move(outwards=0.07 * c.side * c.spot(0.0, -6.9, 3.2, 1.3)),
    "mouthHeight": lambda c: c.move(up=0.15 * _mouth(c)),
    "mouthProtrusion": lambda c: c.move(forward=0.26 * _mouth(c)),
    "upperLip": lambda c: c.move(
        up=0.20 * c.spot(0.0, -5.95, 1.9, 0.42) * soft_step(c.y, -6.8, -6.3), forward=0.10 * c.spot(0.0, -6.3, 1.6, 0.5)
    ),
    "lowerLip": lambda c: c.move(
        up=-0.30 * c.spot(0.0, -7.8, 1.9, 0.5) * soft_step(c.y, -6.85, -7.4), forward=0.12 * c.spot(0.0, -7.4, 1.6, 0.5)
    ),
    "earSize": lambda c: _ears(c),
    "neckWidth": lambda c: c.move(outwards=0.06 * c.side * soft_step(c.y, -9.0, -13.0) * soft_step(c.z, 1.0, -2.0)),
    "ageing": lambda c: c.move(
        0.14 * c.spot(4.6, -9.2, 1.5, 1.2) - 0.05 * c.spot(5.0, -3.5, 1.6, 1.4),
        -0.16 * c.spot(4.2, -7.0, 2.4, 2.2) - 0.10 * c.spot(3.6, 1.6, 1.6, 0.7),
        -0.10 * c.spot(3.0, -1.5, 1.4, 0.7) - 0.09 * c.spot(0.0, -6.8, 1.6, 0.9),
    ),
}


def _ears(c: Clay) -> Tensor:
    near = soft_step(c.side, 7.0, 8.0) * bump(((c.z + 7.8) / 2.5) ** 2 + ((c.y + 1.5) / 5.0) ** 2)
    return c.move(0.10 * (c.side - 7.2) * near, 0.08 * (c.y + 1.5) * near, 0.08 * (c.z + 6.2) * near)


def identity_modes(template: Template) -> dict[str, Float[Tensor, "vertices 3"]]:
    """Displacement in cm per standard deviation, by name. Eyeballs move as wholes, with the middle of their lids' landmarks."""
    clay = Clay(template.points)
    modes = {}
    for name, field in FIELDS.items():
        displacement = field(clay)
        for eyeball, numbers in (("eyeball_R", range(36, 42)), ("eyeball_L", range(42, 48))):
            displacement[template.part[eyeball]] = displacement[template.landmarks[list(numbers)]].mean(dim=0)
        modes[name] = displacement
    return modes
