"""Pictures → a grid of features, in two architectures that share no kind of layer but the convolution: one trains and encodes, the other
judges.

Both keep the spatial layout up to a 4 × 4 grid, because much of what a portrait says is said by positions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cuda_ops.convolution import conv2d_down, conv2d_same

GRID = 4
"""Side of the last feature grid."""


class Convolution(nn.Conv2d):
    """A 3 × 3 convolution of stride 1 (same size) or 2 (half of an even size), by the compiled operators where there are any."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True):
        super().__init__(inputs, outputs, 3, stride=stride, padding=1, bias=bias)

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs out_height out_width"]:
        y = conv2d_same(x, self.weight) if self.stride == (1, 1) else conv2d_down(functional.pad(x, (1, 0, 1, 0)), self.weight)
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions around a skip, normalised by groups (He et al. 2016; Wu and He 2018)."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            Convolution(channels, channels),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            Convolution(channels, channels),
        )
        nn.init.zeros_(self.branch[-1].weight)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        return x + self.branch(x)


def _levels(resolution: int) -> int:
    levels = (resolution // GRID).bit_length() - 1
    if levels < 1 or GRID << levels != resolution:
        raise ValueError(f"the input resolution must be a power of two from {2 * GRID}, got {resolution}")
    return levels


def _residual_trunk(resolution: int, width: int) -> tuple[nn.Sequential, int]:
    """Strided convolutions, one residual block per level."""
    parts: list[nn.Module] = []
    inputs = 3
    for level in range(_levels(resolution)):
        channels = min(width << level, width * 8)
        parts += [Convolution(inputs, channels, stride=2), ResidualBlock(channels)]
        inputs = channels
    return nn.Sequential(*parts, nn.GroupNorm(8, inputs), nn.SiLU()), inputs


def _plain_trunk(resolution: int, width: int) -> tuple[nn.Sequential, int]:
    """A 5 × 5 stem, then pairs of convolutions with batch normalisation and maximum pooling; no skips (Simonyan and Zisserman 2015)."""

    def unit(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)]

    parts = unit(3, width, 5, 2)
    inputs = width
    for level in range(1, _levels(resolution)):
        channels = min(width << level, width * 6)
        parts += [nn.MaxPool2d(2), *unit(inputs, channels, 3, 1), *unit(channels, channels, 3, 1)]
        inputs = channels
    return nn.Sequential(*parts), inputs


TRUNKS: dict[str, Callable[[int, int], tuple[nn.Sequential, int]]] = {"residual": _residual_trunk, "plain": _plain_trunk}


def build_trunk(architecture: str, resolution: int, width: int) -> tuple[nn.Sequential, int]:
    """A trunk for pictures of resolution × resolution (a power of two from 8), and how many numbers it gives, its grid flattened.

    width: channels of the first level, a multiple of 8.
    """
    if architecture not in TRUNKS:
        raise ValueError(f"there is no architecture {architecture!r}; valid are {', '.join(TRUNKS)}")
    trunk, channels = TRUNKS[architecture](resolution, width)
    return trunk, channels * GRID * GRID


def fitted(images: Float[Tensor, "batch 3 height width"], resolution: int) -> Float[Tensor, "batch 3 resolution resolution"]:
    """Pictures of any size at a network's own resolution (antialiased), their channels last: a quarter faster on CPUs."""
    size = (resolution, resolution)
    if images.shape[2:] != size:
        images = functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
    return images.contiguous(memory_format=torch.channels_last)
