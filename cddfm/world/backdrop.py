"""What lies out of focus behind the sitter: five kinds of closed-form pictures in linear RGB."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.world.codes import uniform

BLOBS = 7


def backdrop(
    kind: Int[Tensor, batch], code: Float[Tensor, "batch 28"], resolution: int
) -> Float[Tensor, "batch 3 height width"]:
    """kind indexes `scene.BACKDROPS`."""
    axis = (torch.arange(resolution, device=code.device) + 0.5) / resolution * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    x, y = x.expand(len(code), -1, -1), y.expand(len(code), -1, -1)
    first, second, third = (_colour(code[:, 4 * k : 4 * k + 4]) for k in range(3))
    base = _gradient(x, y, first, second, code[:, 12:14])
    chosen = torch.stack(
        [
            base,
            _bokeh(x, y, base, third, code),
            _stripes(x, y, first, second, third, code),
            _fields(x, y, first, second, third, code),
            _studio(x, y, first, code),
        ]
    )
    return chosen[kind, torch.arange(len(code), device=code.device)]


def _colour(code: Float[Tensor, "batch 4"]) -> Float[Tensor, "batch 3 1 1"]:
    """Muted colours for the most part: hue, saturation (mostly low), value."""
    hue = uniform(code[:, 0]) * 2 * math.pi
    saturation = 0.75 * uniform(code[:, 1]) ** 1.6
    value = 0.02 + 0.75 * uniform(code[:, 2]) ** 1.6
    wheel = torch.stack([hue, hue - 2.1, hue + 2.1], dim=-1)
    ramp = 0.5 + 0.5 * wheel.cos()
    return (value[:, None] * (1 - saturation[:, None] * (1 - ramp)))[..., None, None]


def _mix(a: Tensor, b: Tensor, weight: Float[Tensor, "batch height width"]) -> Tensor:
    return a + (b - a) * weight.unsqueeze(1)


def _number(code: Tensor, index: int) -> Float[Tensor, "batch 1 1"]:
    return code[:, index, None, None]


def _gradient(x: Tensor, y: Tensor, first: Tensor, second: Tensor, code: Float[Tensor, "batch 2"]) -> Tensor:
    angle = _number(code, 0) * 1.5
    along = x * angle.sin() + y * angle.cos()
    return _mix(first, 0.6 * second + 0.4 * first, torch.sigmoid(along * 2.5 + _number(code, 1)))


def _bokeh(x: Tensor, y: Tensor, base: Tensor, third: Tensor, code: Tensor) -> Tensor:
    """Soft discs, most of them lighter than what is behind."""
    picture = base * 0.7
    for blob in range(BLOBS):
        centre_x, centre_y = _number(code, 12 + 2 * blob) * 0.8, _number(code, 13 + 2 * blob) * 0.7
        radius = 0.16 + 0.22 * uniform(_number(code, 4 + blob))
        distance = torch.sqrt((x - centre_x) ** 2 + (y - centre_y) ** 2 + 1e-6)
        disc = torch.sigmoid((radius - distance) * 22) * (0.25 + 0.4 * uniform(_number(code, 11 + blob)))
        picture = _mix(picture, third * (0.5 + 0.9 * uniform(_number(code, 20 + blob))).unsqueeze(1) + 0.15 * base, disc)
    return picture


def _stripes(x: Tensor, y: Tensor, first: Tensor, second: Tensor, third: Tensor, code: Tensor) -> Tensor:
    """An indoor scene: a wall, a window or a door, shelves, all blurred."""
    softness = 10 + 14 * uniform(_number(code, 14))

    def bar(along: Tensor, place: Tensor, half: Tensor) -> Tensor:
        return torch.sigmoid((half - (along - place).abs()) * softness)

    picture = _mix(first, first * 0.6, torch.sigmoid((-0.3 + 0.3 * _number(code, 15) - y) * softness))
    picture = _mix(picture, second, bar(x, -0.75 + 0.3 * _number(code, 16), 0.15 + 0.2 * uniform(_number(code, 17))))
    picture = _mix(picture, third, bar(x, 0.75 + 0.3 * _number(code, 18), 0.12 + 0.2 * uniform(_number(code, 19))))
    shelf = bar(y, 0.5 * _number(code, 20), 0.05 + 0.12 * uniform(_number(code, 21)))
    return _mix(picture, second * 0.5 + third * 0.3, 0.7 * shelf)


def _fields(x: Tensor, y: Tensor, first: Tensor, second: Tensor, third: Tensor, code: Tensor) -> Tensor:
    """Foliage, sky, a street: colours that wander."""
    a = torch.sin(x * (1.5 + 0.8 * _number(code, 14)) + y * 1.7 * _number(code, 15) + 2 * _number(code, 16))
    b = torch.sin(y * (2.0 + 0.9 * _number(code, 17)) - x * 1.9 * _number(code, 18) + 2 * _number(code, 19) + a)
    c = torch.sin(x * (4.0 + _number(code, 20)) + 1.5 * b) * torch.sin(y * (4.5 + _number(code, 21)) + 1.5 * a)
    picture = _mix(first, second, 0.5 + 0.5 * a)
    picture = _mix(picture, third, 0.5 * (0.5 + 0.5 * b) ** 2)
    return picture * (1 + 0.25 * c.unsqueeze(1))


def _studio(x: Tensor, y: Tensor, first: Tensor, code: Tensor) -> Tensor:
    """A dark wall with a glow behind the head."""
    distance = (x - 0.3 * _number(code, 14)) ** 2 + (y - 0.1 - 0.3 * _number(code, 15)) ** 2
    glow = torch.exp(-distance / (0.5 + 0.6 * uniform(_number(code, 16))))
    return (0.10 * first + 0.008) * (0.4 + 2.2 * glow.unsqueeze(1))
