"""Picture → w: a residual network whose output has fixed length, so that neither it nor the generator behind it can drift in scale."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylespace.code import FIRST_RESOLUTION, channels_at, resolutions_of
from stylespace.layers import Conv, Linear, ResidualBlock


class Encoder(nn.Module):
    """Image in [−1, 1] of `resolution` px or more (averaged down to it) → w, one vector per picture, of mean square 1."""

    def __init__(self, resolution: int, w_dim: int = 512, channel_base: int = 32768, channel_max: int = 512):
        super().__init__()
        self.arguments: dict[str, Any] = {
            "resolution": resolution,
            "w_dim": w_dim,
            "channel_base": channel_base,
            "channel_max": channel_max,
        }
        self.resolution = resolution
        sizes = resolutions_of(resolution)[::-1]
        widths = {size: channels_at(size, channel_base, channel_max) for size in sizes}
        self.fromrgb = Conv(3, widths[resolution])
        self.blocks = nn.Sequential(*[ResidualBlock(widths[size], widths[size // 2]) for size in sizes[:-1]])
        last = widths[FIRST_RESOLUTION]
        self.conv = Conv(last, last)
        self.fc = Linear(last * FIRST_RESOLUTION**2, w_dim, "lrelu")
        self.out = Linear(w_dim, w_dim)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch w_dim"]:
        if image.shape[2] > self.resolution:
            image = functional.adaptive_avg_pool2d(image, self.resolution)
        x = self.blocks(self.fromrgb(image.contiguous(memory_format=torch.channels_last)))
        w = self.out(self.fc(self.conv(x).flatten(1)))
        return w * (w.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
