"""The sketch style: pencil on paper. Tone becomes layers of hatching that bend with the form; outlines, hair strokes and paper grain."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.lighting import LUMINANCE
from cddfm.world.canvas import REGION_HAIR, Canvas, lines
from cddfm.world.vectors import ramp

PENCIL = (0.17, 0.16, 0.17)
PAPER = (0.955, 0.94, 0.905)

# Darkness from which a layer of hatching starts, its angle (degrees), lines across the picture.
_HATCHING = ((0.10, 42.0, 92.0), (0.26, 30.0, 104.0), (0.42, 63.0, 112.0), (0.58, -28.0, 120.0))


def sketch(
    canvas: Canvas, behind: Float[Tensor, "batch 3 height width"], code: Float[Tensor, "batch 32"]
) -> Float[Tensor, "batch 3 height width"]:
    """sRGB in [0, 1] at the canvas's resolution (samples). behind: the background, linear."""
    size = canvas.colour.shape[-1]
    grey = canvas.colour.new_tensor(LUMINANCE)[:, None, None]
    tone = (canvas.colour * grey).sum(1, keepdim=True).clamp(0, 1) ** (1 / 2.2)
    wall = (behind * grey).sum(1, keepdim=True).clamp(0, 1) ** (1 / 2.2)
    x, y, vignette, grain = _sheet(size, str(tone.device))
    person = canvas.cover
    light = torch.where(person > 0.5, 0.10 + 0.95 * _local_contrast(tone, person), 0.74 + 0.26 * wall)
    dark = (1 - light).clamp(0, 1) * (0.35 + 0.65 * vignette)
    hair = (canvas.region == REGION_HAIR).float()
    pencil = _hatching(dark * (1 - 0.45 * hair), canvas.normal, x, y, code, grain, size)
    pencil = torch.maximum(pencil, _hair_strokes(tone, hair, grain))
    pencil = 1 - (1 - pencil) * (1 - _contours(canvas, grain, size)) * (1 - _details(tone, person - hair, grain, size))
    smudge = 0.26 * _soften(dark, size / 90) * person
    pencil = (pencil * 0.88 + smudge).clamp(0, 1)
    paper = tone.new_tensor(PAPER)[:, None, None] * (1 - 0.035 * grain)
    return paper + (tone.new_tensor(PENCIL)[:, None, None] - paper) * pencil


def _local_contrast(tone: Tensor, person: Tensor) -> Tensor:
    """Tones of the sitter stretched so that every complexion uses the paper's white."""
    total = person.sum((2, 3), keepdim=True).clamp(min=1)
    middle = (tone * person).sum((2, 3), keepdim=True) / total
    spread = (((tone - middle) ** 2 * person).sum((2, 3), keepdim=True) / total).sqrt().clamp(min=0.05)
    return (0.66 + 0.22 * (tone - middle) / spread).clamp(0, 1)


def _soften(values: Tensor, width: float | int) -> Tensor:
    """Means over squares that reach this far to each side."""
    radius = max(1, round(width))
    padded = functional.pad(values, (radius, radius, radius, radius), mode="replicate")
    return _run(_run(padded, 2 * radius + 1, -2), 2 * radius + 1, -1) / (2 * radius + 1) ** 2


def _run(values: Tensor, count: int, dim: int) -> Tensor:
    """Sums of `count` neighbours: of twice as many at every turn, and together those that make up the number."""
    left, done, power = values.shape[dim] - count + 1, 0, 1
    total = torch.zeros_like(values.narrow(dim, 0, left))
    while True:
        if count & power:
            total += values.narrow(dim, done, left)
            done += power
        if done == count:
            return total
        length = values.shape[dim] - power
        values, power = values.narrow(dim, 0, length) + values.narrow(dim, power, length), 2 * power


@lru_cache(maxsize=4)
def _sheet(size: int, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What all drawings share: x and y in [−1, 1], down; the light on the sheet; the paper's tooth, 0 to 1, as fine as samples allow."""
    axis = (torch.arange(size, device=device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    vignette = ramp(1.25 - torch.hypot(x * 0.95, y - 0.05), 0.0, 0.55)
    u, v = x * 128, y * 128
    value = torch.zeros_like(x)
    for index in range(6):
        angle, frequency = 2.4 * index + 0.5, 1.1 + 0.47 * index
        value = value + torch.sin(frequency * (u * math.cos(angle) + v * math.sin(angle)) + 2.1 * torch.sin(0.31 * frequency * v + index))
    return x, y, vignette, (0.5 + 0.24 * value).clamp(0, 1)[None, None]


def _hatching(
    dark: Tensor, normal: Tensor, x: Tensor, y: Tensor, code: Tensor, grain: Tensor, size: int
) -> Float[Tensor, "batch 1 height width"]:
    """Parallel strokes, more layers where it is darker, bent by the normals."""
    bend = _soften(normal, size / 26)
    pencil = torch.zeros_like(dark)
    for number, (start, degrees, count) in enumerate(_HATCHING):
        angle = math.radians(degrees) + 0.18 * torch.tanh(code[:, number])[:, None, None, None]
        across = x * angle.sin() + y * angle.cos()
        along = x * angle.cos() - y * angle.sin()
        curve = 0.11 * (bend[:, :1] * angle.cos() - bend[:, 1:2] * angle.sin())
        wobble = 0.006 * torch.sin(9 * along + 3 * number) + 0.003 * torch.sin(31 * along + 17 * across)
        phase = (across + curve + wobble) * count * 0.5
        stroke = (torch.remainder(phase, 1.0) - 0.5).abs() * 2
        # Strokes begin and end: each line has gaps of its own.
        line = phase.floor()
        gaps = torch.sin(along * (5 + 2.3 * torch.sin(line * 12.9)) + line * 7.1) * 0.12
        amount = ramp(dark + gaps, start, start + 0.40)
        width = 0.16 + 0.42 * amount
        mark = ramp(width - stroke, -0.18, 0.18) * amount
        pencil = 1 - (1 - pencil) * (1 - mark * (0.58 + 0.42 * (1 - grain)) * 0.72)
    return pencil


def _hair_strokes(tone: Tensor, hair: Tensor, grain: Tensor) -> Float[Tensor, "batch 1 height width"]:
    """The strands' own play of light, sharpened into lines."""
    ridge = tone - _soften(tone, 3)
    line = ramp(-ridge, -0.004, 0.05)
    depth = 0.30 + 0.65 * (1 - tone.clamp(0, 1)) ** 0.8
    return hair * line * depth * (0.65 + 0.35 * (1 - grain))


def _details(tone: Tensor, face: Tensor, grain: Tensor, size: int) -> Float[Tensor, "batch 1 height width"]:
    """What is darker than its surroundings, drawn fine: lids, irises, nostrils, the line of the lips, brows."""
    dip = _soften(tone, size / 42) - tone
    return ramp(dip, 0.02, 0.13) * (0.55 + 0.35 * (1 - grain)) * face.clamp(0, 1)


def _contours(canvas: Canvas, grain: Tensor, size: int) -> Float[Tensor, "batch 1 height width"]:
    whole = torch.where((canvas.region >= 5) & (canvas.region <= 7), 1.0, canvas.region)
    edge = lines(replace(canvas, region=whole), jump=1.2, crease=1.25, locks=False)
    width = max(1, round(size / 340))
    thick = functional.max_pool2d(functional.pad(edge, (0, width, 0, width)), width + 1, stride=1)
    soft = 0.45 * _soften(thick, width) + 0.55 * thick
    hair = (canvas.region == REGION_HAIR).float()
    return (soft * (0.62 + 0.4 * (1 - grain)) * (1 - 0.55 * hair)).clamp(0, 0.9)
