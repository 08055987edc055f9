"""The painting style: the photograph painted over in strokes, coarse to fine, along its forms, on canvas. sRGB pictures in [0, 1].

Strokes stand on jittered grids. Each pixel looks at the strokes of the cells around it in a fixed irregular order, so that nothing
depends on the order of drawing (Hertzmann's layers, "Painterly Rendering with Curved Brush Strokes of Multiple Sizes", 1998, with
straight strokes)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.world.vectors import ramp, scatter_numbers
from cuda_ops.strokes import Strokes, lay_strokes

# Cells across the picture, stroke length and width in cells, how much detail asks for them (0: everywhere), opacity.
_LAYERS = (
    (18.0, 3.6, 1.75, 0.0, 1.0),
    (34.0, 3.4, 1.35, 0.10, 0.95),
    (60.0, 3.0, 1.05, 0.30, 0.92),
    (104.0, 2.6, 0.85, 0.52, 0.9),
    (176.0, 2.4, 0.85, 0.66, 0.85),
)


def paint(
    picture: Float[Tensor, "batch 3 height width"], focus: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """focus: 0 to 1, where the painter looks closely (faces)."""
    size = picture.shape[-1]
    enriched = _enrich(picture)
    angle, edge = _directions(enriched)
    ground = enriched.mean((2, 3), keepdim=True) * 0.75 + enriched.new_tensor([0.16, 0.12, 0.08])[:, None, None]
    painted, height = 0.2 * ground + 0.8 * _blur(enriched, 0.4 * size / _LAYERS[0][0]), torch.zeros_like(focus)
    for number, (cells, length, width, wanted, opacity) in enumerate(_LAYERS):
        if cells > size * 0.8:
            break
        soft = _blur(enriched, 0.42 * size / cells)
        detail = torch.maximum(edge, 0.55 * focus)
        painted, height = _strokes(painted, height, soft, angle, detail, (cells, length, width, wanted, opacity), number)
    return _varnish(painted, height)


def _enrich(picture: Tensor) -> Tensor:
    """Stronger colours, warm lights and cool shadows."""
    grey = picture.mean(1, keepdim=True)
    bold = grey + 1.22 * (picture - grey)
    warmth = (grey - 0.5) * picture.new_tensor([0.05, 0.0, -0.07])[:, None, None]
    return (bold + warmth).clamp(0, 1)


def _blur(picture: Tensor, width: float) -> Tensor:
    radius = max(1, round(2.2 * width))
    offset = torch.arange(-radius, radius + 1, device=picture.device)
    kernel = torch.exp(-0.5 * (offset / max(width, 0.3)) ** 2)
    kernel = (kernel / kernel.sum()).tolist()
    for vertical in (True, False):
        padded = functional.pad(picture, (0, 0, radius, radius) if vertical else (radius, radius, 0, 0), mode="replicate")
        size = picture.shape[2]
        picture = sum(
            (padded[:, :, step : step + size] if vertical else padded[..., step : step + size]) * weight
            for step, weight in enumerate(kernel)
        )
    return picture


def _directions(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Angle along the forms (structure tensor, smoothed), and how strong edges are, 0 to 1."""
    size = picture.shape[-1]
    grey = picture.mean(1, keepdim=True)
    grey = _blur(grey, size / 200)
    x = functional.pad(grey[..., 2:] - grey[..., :-2], (1, 1, 0, 0), mode="replicate")
    y = functional.pad(grey[..., 2:, :] - grey[..., :-2, :], (0, 0, 1, 1), mode="replicate")
    tensor = _blur(torch.cat([x * x, y * y, x * y], dim=1), size / 48)
    xx, yy, xy = tensor.unbind(1)
    # A faint rotating field decides where the picture itself has no direction.
    axis = torch.linspace(-1, 1, size, device=picture.device)
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    drift = 2.2 * torch.sin(1.7 * u + 0.6) + 1.8 * torch.cos(1.4 * v)
    xx, xy = xx - yy + 4e-4 * torch.cos(2 * drift), 2 * xy + 4e-4 * torch.sin(2 * drift)
    angle = 0.5 * torch.atan2(xy, xx) + math.pi / 2
    edge = ramp((x * x + y * y).sqrt() * (size / 128), 0.02, 0.14)
    return angle.unsqueeze(1), _blur(edge, size / 90).clamp(0, 1)


def _strokes(
    painted: Tensor, height: Tensor, soft: Tensor, angle: Tensor, detail: Tensor, layer: tuple[float, ...], number: int
) -> tuple[Tensor, Tensor]:
    """One layer of strokes over the picture so far."""
    cells, length, width, wanted, opacity = layer
    cells = int(cells)
    batch, _, size, _ = painted.shape
    device = painted.device

    def irregular(seed: int) -> Float[Tensor, "cells cells"]:
        return scatter_numbers(cells * cells, 200 + 10 * number + seed).view(cells, cells).to(device)

    jitter_x, jitter_y, order, tone, turn = (irregular(index) for index in range(5))
    row, column = torch.meshgrid(torch.arange(cells, device=device), torch.arange(cells, device=device), indexing="ij")
    centre_x, centre_y = (column + 0.2 + 0.6 * jitter_x) / cells, (row + 0.2 + 0.6 * jitter_y) / cells
    at = torch.stack([centre_x, centre_y], dim=-1) * 2 - 1
    sample = functional.grid_sample(
        torch.cat([soft, (2 * angle).cos(), (2 * angle).sin(), detail], dim=1), at.expand(batch, -1, -1, -1), align_corners=False
    )
    colour, cosine, sine, close = sample[:, :3], sample[:, 3], sample[:, 4], sample[:, 5]
    heading = 0.5 * torch.atan2(sine, cosine) + 0.25 * (turn - 0.5)
    lively = 1 + (tone - 0.5) * (0.16 if number < 2 else 0.10)
    colour = colour * lively + 0.012 * torch.stack([jitter_x - 0.5, order - 0.5, jitter_y - 0.5])
    used = close > wanted * (0.55 + 0.9 * order) if wanted > 0 else torch.ones_like(close, dtype=torch.bool)
    centre = torch.stack([centre_x, centre_y])
    return lay_strokes(painted, height, Strokes(colour, heading, used, centre, order, turn, length, width, opacity))


def _varnish(painted: Tensor, height: Tensor) -> Tensor:
    """Light from the upper left on the ridges of paint and the weave of the canvas."""
    size = painted.shape[-1]
    axis = torch.arange(size, device=painted.device) * (256 / size)
    weave = (
        0.5 * torch.sin(axis * 2.1)[None, :] * torch.sin(axis * 0.7)[:, None]
        + 0.5 * torch.sin(axis * 2.1)[:, None] * torch.cos(axis * 0.7)[None, :]
    )
    surface = height + 0.07 * weave
    x = functional.pad(surface[..., 1:] - surface[..., :-1], (1, 0, 0, 0))
    y = functional.pad(surface[..., 1:, :] - surface[..., :-1, :], (0, 0, 1, 0))
    light = (0.10 * (x + y)).clamp(-0.07, 0.07)
    return (painted * (1 + 0.8 * light) + 0.35 * light.clamp(min=0)).clamp(0, 1)
