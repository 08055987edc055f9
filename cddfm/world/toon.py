"""The toon style: other proportions of the same head, flat tones instead of shading, dark outlines, a plain background."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from cddfm.lighting import LUMINANCE
from cddfm.morphable import MorphableModel
from cddfm.world.assets import EYE, GLASSES, MOUTH, TEETH, TORSO
from cddfm.world.looks import ramp
from cddfm.world.scene import Scene, colour

_EYE_GROWTH = 0.58
_NOSE_SHRINK = 0.45


def warp(points: Float[Tensor, "batch points 3"], model: MorphableModel) -> Float[Tensor, "batch points 3"]:
    """A fixed smooth deformation of the head's own frame: larger eyes, smaller nose, short narrow chin, bigger skull."""
    marks = model.mean[model.landmarks]
    nose = marks[[30, 33]].mean(0)
    moved = points
    for eye in (marks[36:42].mean(0), marks[42:48].mean(0)):
        away = points - eye
        pull = _EYE_GROWTH * torch.exp(-0.5 * ((away / away.new_tensor([2.3, 1.9, 2.6])) ** 2).sum(-1, keepdim=True))
        moved = moved + pull * away * away.new_tensor([1.0, 1.15, 0.35])
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


def tones(
    albedo: Float[Tensor, "batch height width 3"], shading: Float[Tensor, "batch height width 3"], part: Int[Tensor, "batch height width"]
) -> Float[Tensor, "batch height width 3"]:
    """Three flat steps of light on saturated, simplified reflectance."""
    grey = (shading * shading.new_tensor(LUMINANCE)).sum(-1, keepdim=True)
    level = 0.60 + 0.28 * ramp(grey, 0.46, 0.52) + 0.20 * ramp(grey, 0.86, 0.92)
    tint = shading / grey.clamp(min=0.05)
    level = torch.where(((part == EYE) | (part == TEETH)).unsqueeze(-1), level.clamp(min=0.88), level)
    level = torch.where((part == MOUTH).unsqueeze(-1), 0.4, level)
    albedo = torch.where((part == EYE).unsqueeze(-1), albedo * 1.6, albedo)
    bold = saturate(albedo, 1.35) * 1.12
    cool = bold.new_tensor([0.93, 0.96, 1.08])
    shadow = torch.where(level < 0.8, cool, torch.ones_like(cool))
    return (bold * level * shadow * (0.6 + 0.4 * tint)).clamp(0.0, 1.0)


def hair_tones(
    base: Float[Tensor, "pixels 3"], light: Float[Tensor, "pixels 3"], sheen: Float[Tensor, pixels], streaks: Float[Tensor, pixels]
) -> Float[Tensor, "pixels 3"]:
    """Two flat steps and a band of shine."""
    grey = (light * light.new_tensor(LUMINANCE)).sum(-1)
    level = 0.75 + 0.45 * ramp(grey, 0.55, 0.62)
    locks = 1 - 0.25 * ramp(streaks, 0.80, 0.70)
    bold = saturate(base, 1.4) * 1.25 + 0.008
    band = ramp(sheen, 0.22, 0.28).unsqueeze(1)
    return (bold * (level * locks).unsqueeze(1) * (1 + 0.55 * band) + 0.02 * band).clamp(0, 1)


def saturate(colour: Tensor, factor: float) -> Tensor:
    """Colour pushed away from its grey."""
    grey = (colour * colour.new_tensor(LUMINANCE)).sum(-1, keepdim=True)
    return (grey + factor * (colour - grey)).clamp(0.0, 1.0)


def plain_backdrop(scene: Scene, resolution: int) -> Float[Tensor, "batch 3 height width"]:
    """One clear light colour per portrait, a little lighter at the top."""
    code = scene.backdrop
    hue, saturation = torch.special.ndtr(code[:, 0]), 0.20 + 0.40 * torch.special.ndtr(code[:, 1])
    tone = colour(hue, saturation, 0.45 + 0.45 * torch.special.ndtr(code[:, 2]))
    fade = torch.linspace(1.06, 0.90, resolution, device=code.device)[None, None, :, None]
    return (tone[..., None, None] * fade).expand(-1, -1, -1, resolution)


def outline(
    colour: Tensor,
    cover: Tensor,
    depth: Tensor,
    part: Tensor,
    hair: Tensor,
    hair_depth: Tensor,
    normals: Tensor,
) -> tuple[Tensor, Tensor]:
    """Dark lines where the part, the depth or the normal jumps. colour is premultiplied by cover."""
    region = torch.where(hair > 0.5, 20, torch.where(part == TORSO, 10, torch.where(part == GLASSES, 0, torch.where(part >= 0, 1, -1))))
    region = torch.where((part == EYE) & (hair <= 0.5), 5, region)
    region = torch.where(((part == TEETH) | (part == MOUTH)) & (hair <= 0.5), 7, region)
    distance = torch.where(hair > 0.5, hair_depth, depth)
    distance = torch.where(region >= 0, distance, 130.0)
    jump = _spread(distance.unsqueeze(1)) > 1.5
    edge = (_spread(region.float().unsqueeze(1)) > 0) | jump
    crease = (_spread(normals.permute(0, 3, 1, 2)).sum(1, keepdim=True) > 1.15) & (hair <= 0.5).unsqueeze(1) & (part != EYE).unsqueeze(1)
    line = (edge | crease).float()
    width = max(1, round(colour.shape[1] / 128))
    if width > 1:
        line = functional.max_pool2d(line, 2 * (width // 2) + 1, stride=1, padding=width // 2)
    line = line.squeeze(1) * 0.85
    ink = colour.new_tensor([0.030, 0.016, 0.014])
    covered = torch.maximum(cover, line)
    return colour * (1 - line).unsqueeze(-1) + ink * line.unsqueeze(-1), covered


def _spread(values: Float[Tensor, "batch channels height width"]) -> Tensor:
    """Largest minus smallest value in a 2 × 2 neighbourhood."""
    padded = functional.pad(values, (0, 1, 0, 1), mode="replicate")
    highest = functional.max_pool2d(padded, 2, stride=1)
    return highest + functional.max_pool2d(-padded, 2, stride=1)
