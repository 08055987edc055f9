"""The toon style: other proportions of the same head, three flat tones instead of shading, dark outlines, a plain background."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.lighting import LUMINANCE
from cddfm.morphable import MorphableModel
from cddfm.world.assets import EYE, FRAME, MOUTH, TEETH
from cddfm.world.canvas import Canvas, lines, thicken
from cddfm.world.looks import shade_planes
from cddfm.world.portrait import catch_light
from cddfm.world.scene import Scene, colour
from cddfm.world.stage import Stage
from cddfm.world.surface import Solid, Strands
from cddfm.world.vectors import of_each, ramp

LOCK_WIDTH = 1.15
LOCK_RELIEF = 0.30
IRIS_WIDEN = 1.22
_EYE_GROWTH = 0.72
_NOSE_SHRINK = 0.48


def warp(points: Float[Tensor, "batch points 3"], model: MorphableModel) -> Float[Tensor, "batch points 3"]:
    """A fixed smooth deformation of the head's own frame: larger eyes, smaller nose, short narrow chin, bigger skull."""
    marks = model.mean[model.landmarks]
    nose = marks[[30, 33]].mean(0)
    moved = points
    for eye in (marks[36:42].mean(0), marks[42:48].mean(0)):
        away = points - eye
        pull = _EYE_GROWTH * torch.exp(-0.5 * ((away / away.new_tensor([2.3, 1.9, 2.6])) ** 2).sum(-1, keepdim=True))
        moved = moved + pull * away * away.new_tensor([0.95, 1.2, 0.35])
    away = points - nose
    pull = _NOSE_SHRINK * torch.exp(-0.5 * ((away / away.new_tensor([1.5, 1.9, 2.2])) ** 2).sum(-1, keepdim=True))
    moved = moved - pull * (away * away.new_tensor([0.8, 0.45, 0.0]) + away.new_tensor([0.0, -0.5, 1.5]))
    lower = ramp(marks[33, 1] + 1.0 - points[..., 1], 0.0, 8.2)
    front = ramp(points[..., 2], -9.0, -3.0)
    low = (lower * front).unsqueeze(-1)
    shortened = torch.stack([-0.20 * points[..., 0], 0.10 * (marks[33, 1] - points[..., 1]), 0.0 * points[..., 2]], dim=-1)
    moved = moved + low * shortened
    upper = ramp(points[..., 1], 0.0, 9.0).unsqueeze(-1)
    return moved + upper * (points - points.new_tensor([0.0, 0.0, -7.0])) * points.new_tensor([0.07, 0.03, 0.03])


def _steps(scene: Scene, stage: Stage, image: Tensor, normal: Tensor, key: Tensor, sky: Tensor) -> tuple[Tensor, Tensor]:
    """Light in three flat steps (0.62, 0.86, 1.06), and its tint."""
    light = shade_planes(normal, of_each(scene.params.light.t(), image))
    ambient = of_each(stage.ambient.t(), image)
    grey = light.new_tensor(LUMINANCE)[:, None]
    received = ambient * sky + (light - ambient).clamp(min=0) * key
    brightest = (stage.ambient * grey.t()).sum(1) + stage.strength
    level = (received * grey).sum(0) / of_each(brightest, image).clamp(min=0.1)
    tint = light.clamp(min=0.02) / (light.clamp(min=0.02) * grey).sum(0)
    return 0.62 + 0.24 * ramp(level, 0.36, 0.41) + 0.20 * ramp(level, 0.80, 0.85), tint


def solid_tones(scene: Scene, stage: Stage, solid: Solid) -> Float[Tensor, "3 pixels"]:
    """Flat colours of solid samples."""
    level, tint = _steps(scene, stage, solid.image, solid.normal, solid.key, 0.5 + 0.5 * solid.sky)
    bright, eye, frame = solid.of(EYE, TEETH), solid.of(EYE), solid.of(FRAME)
    level[bright] = level[bright].clamp(min=0.92)
    level[solid.of(MOUTH)] = 0.45
    albedo = solid.albedo.clone()
    albedo[:, eye] *= 1.45
    bold = saturate(albedo, 1.30) * 1.14
    cool = bold.new_tensor([0.94, 0.95, 1.08])[:, None]
    colour = bold * level * torch.where(level < 0.8, cool, torch.ones_like(cool)) * (0.6 + 0.4 * tint)
    colour[:, frame] = solid.albedo[:, frame] * (0.8 + 0.4 * (level[frame] > 0.9))
    glint = catch_light(stage, solid, eye, 2.2)
    colour[:, eye] += (1 - colour[:, eye]) * (glint > 0.5)
    return colour.clamp(0, 1)


def strand_tones(scene: Scene, stage: Stage, strands: Strands, normal: Float[Tensor, "3 hairs"]) -> Float[Tensor, "3 hairs"]:
    """Flat colours of locks, with a band of shine round the head."""
    level, tint = _steps(scene, stage, strands.image, normal, strands.key.clamp(min=0.35), torch.ones_like(strands.sky))
    bold = saturate(strands.colour, 1.35) * 1.2 + 0.006
    up = of_each(stage.rotation[:, :, 1].t(), strands.image)
    height = (strands.mass * up).sum(0)
    band = (
        ramp((height - 0.60 - 0.05 * strands.lock).abs(), 0.09, 0.07) * (strands.across.abs() < 0.55) * (level > 0.7) * (strands.kind == 0)
    )
    return (bold * level * (0.9 + 0.12 * strands.lock) * (0.6 + 0.4 * tint) * (1 + 0.7 * band) + 0.03 * band).clamp(0, 1)


def saturate(planes: Float[Tensor, "3 pixels"], factor: float) -> Float[Tensor, "3 pixels"]:
    """Colour pushed away from its grey."""
    grey = (planes * planes.new_tensor(LUMINANCE)[:, None]).sum(0)
    return (grey + factor * (planes - grey)).clamp(0.0, 1.0)


def plain_backdrop(scene: Scene, resolution: int) -> Float[Tensor, "batch 3 height width"]:
    """One clear light colour per portrait with a large disc behind the head, a little lighter at the top."""
    code = scene.backdrop
    hue, saturation = torch.special.ndtr(code[:, 0]), 0.18 + 0.42 * torch.special.ndtr(code[:, 1])
    tone = colour(hue, saturation, 0.45 + 0.45 * torch.special.ndtr(code[:, 2]))[..., None, None]
    axis = (torch.arange(resolution, device=code.device) + 0.5) / resolution * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    radius = (0.75 + 0.12 * torch.tanh(code[:, 3]))[:, None, None, None]
    disc = ramp(radius - torch.hypot(x, y - 0.05), -0.006, 0.006) * (code[:, 4] > 0)[:, None, None, None]
    return tone * (1 + 0.08 * y) * (1 + 0.16 * disc)


def ink(canvas: Canvas, supersample: int) -> tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch 1 height width"]]:
    """The canvas with its outlines: colour premultiplied by cover, and cover."""
    width = max(1, round(canvas.colour.shape[-1] / 110 / 2 * min(supersample, 2) / 2))
    line = thicken(lines(canvas), width) * 0.88
    dark = canvas.colour.new_tensor([0.030, 0.016, 0.014])[:, None, None]
    return canvas.colour * (1 - line) + dark * line, torch.maximum(canvas.cover, line)
