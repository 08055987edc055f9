"""Picture → face parameters: the estimator that trains the rest, and the judge that trains nothing.

Both are small convolutional networks that keep the spatial layout up to a 4 × 4 grid (pose and expression are positions), then one hidden
layer whose activations serve as features, then standardised parameters. They stand where Deep3DFaceRecon stands in the literature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cddfm.blocks import Standardiser, param_layout
from cddfm.params import FaceParams

GRID = 4
"""Side of the last feature grid."""


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions around a skip, normalised by groups (He et al. 2016; Wu and He 2018)."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
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
        parts += [nn.Conv2d(inputs, channels, 3, stride=2, padding=1), ResidualBlock(channels)]
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


TRUNKS = {"residual": _residual_trunk, "plain": _plain_trunk}


class Reconstructor(nn.Module):
    """Face parameters from a picture of any size, which is resized (antialiased) to the network's own resolution.

    architecture: "residual" (the estimator's) or "plain" (the judge's). resolution: a power of two from 8. sizes: counts of identity,
    expression and albedo coefficients. width: channels of the first level, a multiple of 8. hidden: number of features.
    """

    def __init__(self, architecture: str, resolution: int, sizes: Sequence[int], width: int = 24, hidden: int = 256):
        super().__init__()
        if architecture not in TRUNKS:
            raise ValueError(f"there is no architecture {architecture!r}; valid are {', '.join(TRUNKS)}")
        self.arguments = {
            "architecture": architecture, "resolution": resolution, "sizes": list(sizes), "width": width, "hidden": hidden,
        }  # fmt: skip
        self.resolution = resolution
        self.layout = param_layout(sizes)
        self.statistics = Standardiser(self.layout.total)
        self.trunk, channels = TRUNKS[architecture](resolution, width)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(channels * GRID * GRID, hidden), nn.SiLU())
        self.head = nn.Linear(hidden, self.layout.total)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
        self.trunk.to(memory_format=torch.channels_last)  # a quarter faster on CPUs

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch hidden"]:
        """The last hidden activations, for feature losses; images in [−1, 1]."""
        size = (self.resolution, self.resolution)
        if images.shape[2:] != size:
            images = functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        return self.neck(self.trunk(images.contiguous(memory_format=torch.channels_last)))

    def standard(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch total"]:
        """Flat parameters in units of the training labels' deviations."""
        return self.head(self.features(images))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> FaceParams:
        return FaceParams.unflatten(self.layout, self.statistics.restore(self.standard(images)))
