"""Picture → w: a residual network whose output is whitened, so that w has zero mean and unit variance over the data."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylespace.code import FIRST_RESOLUTION, channels_at, resolutions_of
from stylespace.layers import Conv, Linear, ResidualBlock


class Whitening(nn.Module):
    """Batch renormalisation without affine parameters (Ioffe 2017).

    Values are always standardised by the running statistics, so training and evaluation see the same w. Gradients are those of batch
    normalisation, which forbid the network to win by growing its output. The first batches average their statistics evenly.
    """

    def __init__(self, features: int, momentum: float = 0.01):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("updates", torch.zeros([]))

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        if not self.training:
            return (x - self.mean) * (self.variance + 1e-6).rsqrt()
        mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
        with torch.no_grad():
            self.updates.add_(1.0)
            share = torch.clamp(1.0 / self.updates, min=self.momentum)
            self.mean.lerp_(mean, share)
            self.variance.lerp_(variance, share)
            stretch = ((variance + 1e-6) / (self.variance + 1e-6)).sqrt()
            shift = (mean - self.mean) * (self.variance + 1e-6).rsqrt()
        return (x - mean) * (variance + 1e-6).rsqrt() * stretch + shift


class Encoder(nn.Module):
    """Image in [−1, 1] of `resolution` px or more (averaged down to it) → w, one vector per picture."""

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
        self.whitening = Whitening(w_dim)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch w_dim"]:
        if image.shape[2] > self.resolution:
            image = functional.adaptive_avg_pool2d(image, self.resolution)
        x = self.blocks(self.fromrgb(image.contiguous(memory_format=torch.channels_last)))
        return self.whitening(self.out(self.fc(self.conv(x).flatten(1))))
