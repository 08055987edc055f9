"""StyleGAN2's residual discriminator with the minibatch standard deviation as an extra feature map."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stylespace.code import FIRST_RESOLUTION, channels_at, resolutions_of
from stylespace.layers import Conv, Linear, ResidualBlock

GROUP = 4
"""Pictures that share one standard deviation."""


def minibatch_deviation(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch more height width"]:
    """x with one more channel: the mean standard deviation over groups of (at most) four pictures (Karras et al. 2018).

    Groups are made of pictures k, k + n/4, … so that a batch of half reals and half fakes must not be passed as one.
    """
    batch, _, height, width = x.shape
    size = next(size for size in range(min(GROUP, batch), 0, -1) if batch % size == 0)
    groups = x.reshape(size, batch // size, *x.shape[1:])
    deviation = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return torch.cat([x, deviation.repeat(size).view(batch, 1, 1, 1).expand(-1, 1, height, width)], dim=1)


class Discriminator(nn.Module):
    """Image in [−1, 1] → one score; higher is more real."""

    def __init__(self, resolution: int, channel_base: int = 32768, channel_max: int = 512):
        super().__init__()
        self.arguments: dict[str, Any] = {"resolution": resolution, "channel_base": channel_base, "channel_max": channel_max}
        sizes = resolutions_of(resolution)[::-1]
        widths = {size: channels_at(size, channel_base, channel_max) for size in sizes}
        self.fromrgb = Conv(3, widths[resolution], kernel=1)
        self.blocks = nn.Sequential(*[ResidualBlock(widths[size], widths[size // 2]) for size in sizes[:-1]])
        last = widths[FIRST_RESOLUTION]
        self.conv = Conv(last + 1, last)
        self.fc = Linear(last * FIRST_RESOLUTION**2, last, "lrelu")
        self.out = Linear(last, 1)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
        x = self.fromrgb(image.contiguous(memory_format=torch.channels_last))
        x = self.conv(minibatch_deviation(self.blocks(x)))
        return self.out(self.fc(x.flatten(1)))[:, 0]
