"""What lies out of focus behind the sitter: pictures of closed form in linear RGB, drawn small, blurred as by a lens, and enlarged.

They are drawn at one fixed size, so that a portrait has the same background at every resolution.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from cddfm.world.codes import uniform
from cddfm.world.vectors import ramp

KINDS = ("studio", "gradient", "bokeh", "room", "window", "foliage", "street", "sky")
SHARES = (0.16, 0.12, 0.13, 0.15, 0.11, 0.14, 0.10, 0.09)
SIZE = 72
MARGIN = 9
LIGHTS, BOOKS = 12, 16
CODE, IRREGULAR = 32, 200


def backdrop(kind: Int[Tensor, batch], code: Float[Tensor, "batch 32"], resolution: int) -> Float[Tensor, "batch 3 height width"]:
    """kind indexes `KINDS`."""
    side = SIZE + 2 * MARGIN
    axis = ((torch.arange(side, device=code.device) + 0.5 - MARGIN) / SIZE) * 2 - 1
    x, y = axis[None, None, :], -axis[None, :, None]
    code = torch.cat([code, _irregular(code)], dim=1)
    picture = torch.zeros(len(code), 3, side, side, device=code.device)
    for index, draw in enumerate((_studio, _gradient, _bokeh, _room, _window, _foliage, _street, _sky)):
        rows = (kind == index).nonzero().squeeze(1)
        if len(rows):
            picture[rows] = draw(x, y, code[rows])
    focus = uniform(code[:, 31])
    softness = torch.tensor([1.9, 1.9, 0.6, 2.0, 2.0, 1.8, 2.0, 1.8], device=code.device)[kind] * (0.45 + 0.9 * focus)
    picture = _blur(picture, softness)
    return functional.interpolate(picture.clamp(min=0), size=(resolution, resolution), mode="bilinear", align_corners=False)


def _blur(picture: Tensor, width: Float[Tensor, batch]) -> Tensor:
    """Gaussian of its own width (pixels) for each image, without the margin, which is wider than it reaches."""
    reach = 7
    place = torch.arange(picture.shape[-1], device=picture.device)
    offset = place[None, :] - place[MARGIN:-MARGIN, None]
    kernel = torch.exp(-0.5 * (offset / width[:, None, None].clamp(min=0.3)) ** 2) * (offset.abs() <= reach)
    kernel = (kernel / kernel.sum(2, keepdim=True)).unsqueeze(1)
    return kernel @ picture @ kernel.mT


def _colour(code: Float[Tensor, "batch 3"], low: float = 0.02, high: float = 0.75, vivid: float = 0.75) -> Float[Tensor, "batch 3 1 1"]:
    """Muted for the most part: hue, saturation (mostly low), value."""
    hue = uniform(code[:, 0]) * 2 * math.pi
    saturation = vivid * uniform(code[:, 1]) ** 1.6
    value = low + (high - low) * uniform(code[:, 2]) ** 1.5
    share = 0.5 + 0.5 * torch.stack([hue, hue - 2.1, hue + 2.1], dim=-1).cos()
    return (value[:, None] * (1 - saturation[:, None] * (1 - share)))[..., None, None]


def _mix(a: Tensor, b: Tensor, weight: Float[Tensor, "batch height width"]) -> Tensor:
    return a + (b - a) * weight.unsqueeze(1)


def _at(code: Tensor, index: int) -> Float[Tensor, "batch 1 1"]:
    return code[:, index, None, None]


def _hash(code: Tensor, index: int) -> Float[Tensor, "batch 1 1"]:
    """One of the further irregular numbers behind the code."""
    return code[:, CODE + index, None, None]


def _irregular(code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch irregular"]:
    """Numbers in [0, 1) made of the code."""
    index = range(IRREGULAR)
    factor, start = (code.new_tensor(values) for values in ([1.7 + 0.61 * i for i in index], [0.173 * i for i in index]))
    other = [(i * 7 + 3) % CODE for i in index]
    return torch.remainder((code[:, [i % CODE for i in index]] * factor + 0.37 * code[:, other] + start) * 5.3, 1.0)


def _box(x: Tensor, y: Tensor, left: Tensor | float, right: Tensor | float, bottom: Tensor | float, top: Tensor | float) -> Tensor:
    edge = 0.03
    return ramp(x - left, 0, edge) * ramp(right - x, 0, edge) * ramp(y - bottom, 0, edge) * ramp(top - y, 0, edge)


def _noise(x: Tensor, y: Tensor, code: Tensor, frequency: float, start: int) -> Tensor:
    """A wandering field in about [−1, 1]."""
    total = torch.zeros_like(x)
    for octave in range(4):
        f = frequency * 1.9**octave
        a, b = _hash(code, start + 2 * octave) * 6.28, _hash(code, start + 2 * octave + 1) * 6.28
        turn = 1.1 * octave
        u, v = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        total = total + torch.sin(f * u + a + 1.4 * torch.sin(f * 0.8 * v + b)) * torch.sin(f * 1.1 * v + b) * 0.75**octave
    return total * 0.6


def _studio(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """A cloth or paper with a glow behind the head, sometimes mottled as painted canvas."""
    colour = _colour(code[:, :3], 0.015, 0.45, 0.6)
    distance = (x - 0.5 * torch.tanh(_at(code, 4))) ** 2 + (y - 0.1 - 0.4 * torch.tanh(_at(code, 5))) ** 2
    glow = torch.exp(-distance / (0.5 + 0.9 * uniform(_at(code, 6))))
    mottle = 1 + 0.35 * (_at(code, 7) > 0.2) * _noise(x, y, code, 2.2, 0)
    return colour * ((0.35 + 1.1 * glow) * mottle).unsqueeze(1)


def _gradient(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    first, second = _colour(code[:, :3], 0.05, 0.8, 0.7), _colour(code[:, 3:6], 0.03, 0.7, 0.7)
    along = x * torch.sin(_at(code, 7) * 0.8) + y * torch.cos(_at(code, 7) * 0.8)
    return _mix(first, 0.5 * second + 0.5 * first, torch.sigmoid(along * 2.5 + _at(code, 8)))


def _bokeh(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """Lights at night or sun through leaves: discs with a brighter rim on a dim ground."""
    ground = _colour(code[:, :3], 0.008, 0.20, 0.8)
    picture = _mix(ground * 1.5, ground * 0.5, torch.sigmoid(3 * y + _at(code, 4)))
    warm = _colour(code[:, 5:8], 0.5, 1.0, 0.9)
    for light in range(LIGHTS):
        spot_x, spot_y = _hash(code, 3 * light) * 2.4 - 1.2, _hash(code, 3 * light + 1) * 1.9 - 0.75
        radius = 0.07 + 0.16 * uniform(_at(code, 9)) + 0.06 * _hash(code, 40 + light)
        distance = torch.sqrt((x - spot_x) ** 2 + (y - spot_y) ** 2 + 1e-6)
        disc = ramp(radius - distance, 0, 0.03) * (0.75 + 0.5 * ramp(distance, 0.6 * radius, radius))
        hue = 0.6 + 0.8 * torch.stack([_hash(code, 60 + light), _hash(code, 75 + light), _hash(code, 90 + light)], dim=1).squeeze(-1)
        tone = warm * hue.unsqueeze(-1)
        picture = picture + tone * (disc * (0.10 + 0.6 * _hash(code, 50 + light) ** 2)).unsqueeze(1)
    return picture


def _room(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """A wall with a shelf of books, a picture, or a lamp."""
    wall = _colour(code[:, :3], 0.10, 0.75, 0.45)
    picture = wall * (0.75 + 0.35 * torch.sigmoid(2.0 * (x * torch.sign(_at(code, 3)) + 0.3 * y))).unsqueeze(1)
    wood = _colour(code[:, 3:6], 0.03, 0.30, 0.7) * picture.new_tensor([1.25, 0.95, 0.65])[:, None, None]
    side = torch.where(_at(code, 6) > 0, 1.0, -1.0)
    shelved = (_at(code, 7) > -0.5).float()
    left = torch.where(side > 0, 0.15 + 0.3 * _hash(code, 1), -1.4 + 0 * side)
    right = torch.where(side > 0, 1.4 + 0 * side, -0.15 - 0.3 * _hash(code, 1))
    case = _box(x, y, left, right, -1.4, 1.4) * shelved
    picture = _mix(picture, wood * 0.45, case)
    for shelf in range(4):
        floor = -1.0 + 0.55 * shelf + 0.2 * _hash(code, 2)
        for book in range(BOOKS // 2):
            start = left + (right - left) * (book + 0.3 * _hash(code, 100 + 9 * shelf + book)) / (BOOKS // 2)
            tall = 0.28 + 0.18 * _hash(code, 140 + 9 * shelf + book)
            cover = torch.cat([_hash(code, 30 + channel * 31 + 7 * shelf + 3 * book) for channel in range(3)], dim=1)[..., None]
            spine = _box(x, y, start, start + 0.11 + 0.05 * _hash(code, 180 + book), floor, floor + tall)
            picture = _mix(picture, (0.04 + 0.45 * cover**2).expand(-1, 3, -1, -1), spine * case)
        picture = _mix(picture, wood * 1.2, _box(x, y, left, right, floor - 0.06, floor) * case)
    frame_x, frame_y = -side * (0.55 + 0.25 * _hash(code, 11)), 0.35 + 0.3 * _hash(code, 12)
    wide, high = 0.22 + 0.15 * _hash(code, 13), 0.22 + 0.15 * _hash(code, 14)
    outer = _box(x, y, frame_x - wide, frame_x + wide, frame_y - high, frame_y + high)
    inner = _box(x, y, frame_x - wide + 0.06, frame_x + wide - 0.06, frame_y - high + 0.06, frame_y + high - 0.06)
    picture = _mix(_mix(picture, wood, outer), _colour(code[:, 8:11], 0.1, 0.8, 0.8).expand_as(picture), inner)
    lamp = torch.exp(-((x + side * 0.8) ** 2 + (y - 0.1) ** 2) / 0.10) * (_at(code, 15) > 0.3)
    return picture + lamp.unsqueeze(1) * picture.new_tensor([0.7, 0.45, 0.2])[:, None, None]


def _window(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """A room with a bright window, its bars, a curtain."""
    wall = _colour(code[:, :3], 0.05, 0.45, 0.45)
    centre = 0.75 * torch.sign(_at(code, 4)) + 0.25 * torch.tanh(_at(code, 5))
    wide, low, high = 0.45 + 0.2 * _hash(code, 1), -0.5 + 0.3 * _hash(code, 2), 0.95 + 0.5 * _hash(code, 3)
    near = torch.exp(-((x - centre) ** 2) / 0.8)
    picture = wall * (0.55 + 0.8 * near).unsqueeze(1)
    pane = _box(x, y, centre - wide, centre + wide, low, high)
    sky = x.new_tensor([0.75, 0.85, 0.95])[:, None, None] * (0.75 + 0.4 * uniform(_at(code, 8))).unsqueeze(1)
    green = x.new_tensor([0.16, 0.24, 0.10])[:, None, None] * (1 + 0.4 * _noise(x, y, code, 5.0, 7)).unsqueeze(1)
    outside = _mix(
        sky.expand_as(picture), green, ramp(low + 0.35 + 0.2 * _hash(code, 4) + 0.1 * torch.sin(5 * x + 6 * _hash(code, 5)) - y, 0, 0.1)
    )
    picture = _mix(picture, outside, pane)
    bars = torch.maximum(ramp(0.035 - (x - centre).abs(), 0, 0.02), ramp(0.035 - (y - 0.5 * (low + high)).abs(), 0, 0.02)) * pane
    picture = _mix(picture, wall * 0.8 + 0.15, bars)
    curtain = _box(x, y, centre + wide * 0.75, centre + wide + 0.45, low - 0.3, 1.4) * (_at(code, 9) > -0.2)
    cloth = _colour(code[:, 10:13], 0.2, 0.85, 0.5) * (0.8 + 0.25 * torch.sin(26 * x)).unsqueeze(1)
    return _mix(picture, cloth, curtain)


def _foliage(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """Trees and hedges with light between the leaves."""
    season = uniform(_at(code, 0)) ** 3
    green = x.new_tensor([0.060, 0.125, 0.030])[:, None, None] * (1 - season.unsqueeze(1)) + x.new_tensor([0.30, 0.13, 0.03])[
        :, None, None
    ] * season.unsqueeze(1)
    green = green * (0.30 * _at(code, 1)).exp().unsqueeze(1)
    wander = _noise(x, y, code, 2.2, 3)
    fine = _noise(x, y, code, 6.5, 17)
    picture = green * (0.75 * wander + 0.5 * fine).exp().unsqueeze(1)
    picture = _mix(picture, picture * x.new_tensor([1.5, 1.35, 0.8])[:, None, None], ramp(wander - fine, 0.2, 0.9))
    sky = x.new_tensor([0.80, 0.90, 0.95])[:, None, None].expand_as(picture)
    gaps = ramp(0.8 * y + 0.8 * wander + 0.5 * fine + 0.5 * _at(code, 2), 0.85, 1.15)
    picture = _mix(picture, sky, gaps * 0.9)
    trunk_x = _hash(code, 5) * 2 - 1
    trunk = ramp(0.10 + 0.05 * _hash(code, 6) - (x - trunk_x - 0.1 * y).abs(), 0, 0.04) * (_at(code, 3) > 0.3)
    picture = _mix(picture, x.new_tensor([0.05, 0.035, 0.025])[:, None, None].expand_as(picture), trunk)
    lawn = ramp(-0.45 + 0.1 * _at(code, 4) - y, 0, 0.1)
    return _mix(picture, green * x.new_tensor([2.2, 2.0, 1.6])[:, None, None] * (1 + 0.2 * fine).unsqueeze(1), lawn)


def _street(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """Fronts of houses with rows of windows, sky above, a pavement below."""
    sky = x.new_tensor([0.55, 0.70, 0.88])[:, None, None] * (0.7 + 0.5 * uniform(_at(code, 0))).unsqueeze(1)
    picture = sky.expand(-1, -1, y.shape[1], x.shape[2])
    for house in range(4):
        left = -1.5 + 0.8 * house + 0.3 * _hash(code, 10 + house)
        roof = 0.1 + 0.9 * _hash(code, 20 + house)
        front = _colour(code[:, 3 * house : 3 * house + 3], 0.06, 0.55, 0.5)
        picture = _mix(
            picture,
            front.expand_as(picture) * (0.8 + 0.2 * torch.sin(9 * x + house)).unsqueeze(1),
            _box(x, y, left, left + 0.95, -1.4, roof),
        )
        grid_x, grid_y = torch.remainder((x - left) * 3.6, 1.0), torch.remainder((roof - y) * 2.6, 1.0)
        pane = _box(grid_x, grid_y, 0.25, 0.75, 0.2, 0.8) * _box(x, y, left + 0.05, left + 0.9, -0.7, roof - 0.05)
        lit = torch.where(_hash(code, 30 + house) > 0.6, 0.8, 0.06)
        glass = x.new_tensor([1.0, 0.85, 0.6])[:, None, None] * lit.unsqueeze(1)
        picture = _mix(picture, glass.expand_as(picture), pane * 0.9)
    ground = x.new_tensor([0.20, 0.19, 0.18])[:, None, None].expand_as(picture)
    return _mix(picture, ground, ramp(-0.65 - y, 0, 0.08))


def _sky(x: Tensor, y: Tensor, code: Tensor) -> Tensor:
    """Sky with clouds over sea, hills or dunes; day or evening."""
    evening = uniform(_at(code, 0) * 1.5).unsqueeze(1) ** 2
    height = ramp(y, -0.4, 1.0).unsqueeze(1)
    day = x.new_tensor([0.62, 0.75, 0.88])[:, None, None] * (1 - height) + x.new_tensor([0.16, 0.33, 0.68])[:, None, None] * height
    dusk = x.new_tensor([0.95, 0.45, 0.18])[:, None, None] * (1 - height) + x.new_tensor([0.16, 0.16, 0.36])[:, None, None] * height
    picture = day + (dusk - day) * evening
    cloud = ramp(_noise(x * 0.8, y * 2.0, code, 2.4, 5) + 0.35 * _at(code, 1), 0.15, 0.9) * 0.75
    white = x.new_tensor([0.92, 0.92, 0.95])[:, None, None] * (1 - evening) + x.new_tensor([0.9, 0.55, 0.42])[:, None, None] * evening
    picture = _mix(picture, white.expand_as(picture), cloud)
    horizon = -0.25 + 0.2 * torch.tanh(_at(code, 2)) + 0.08 * (_at(code, 3) > 0) * _noise(x, 0 * y, code, 2.5, 21)
    land = _colour(code[:, 4:7], 0.04, 0.40, 0.6) * x.new_tensor([0.9, 1.0, 0.85])[:, None, None]
    shimmer = 1 + 0.15 * torch.sin(40 * y + 3 * _noise(x, y, code, 4.0, 31)) * (_at(code, 3) <= 0)
    return _mix(picture, land * shimmer.unsqueeze(1), ramp(horizon - y, 0, 0.05))
