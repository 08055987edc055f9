"""Picture → where the 68 landmarks of its face lie, seen or hidden.

A map of heat for each landmark, on a grid of a quarter of the picture's side, and where its mean lies (Nibali et al. 2018, "Numerical
coordinate regression with convolutional neural networks", section 3). The maps come from a pyramid that knows both the whole face and its
details (Lin et al. 2017, "Feature pyramid networks").

Such a network is nearer to photographs than one that reads parameters: what lies where is a local question, and is learned from drawn
faces alone if they are varied enough (Wood et al. 2021, "Fake it till you make it", section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cddfm.planes import centres
from stylespace.trunks import Convolution, ResidualBlock, fitted

LANDMARKS = 68

MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), *range(45, 41, -1), 47, 46, *range(39, 35, -1), 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip
"""Landmark k of a mirrored face is landmark `MIRRORED[k]` of the face itself (iBUG's numbering)."""


class Pyramid(nn.Module):
    """Pictures → maps a quarter as large. widths: channels of the levels from a half of the side down, each a multiple of 8; two at least.
    top: channels in which levels are joined, a multiple of 8."""

    def __init__(self, widths: Sequence[int], top: int, maps: int):
        super().__init__()
        inputs = (3, *widths[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(Convolution(before, width, stride=2), ResidualBlock(width)) for before, width in zip(inputs, widths, strict=True)
        )
        self.joins = nn.ModuleList(nn.Conv2d(width, top, 1) for width in widths[1:])
        self.blocks = nn.ModuleList(ResidualBlock(top) for _ in widths[1:-1])
        self.head = nn.Sequential(nn.GroupNorm(8, top), nn.SiLU(), Convolution(top, maps))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch maps quarter quarter"]:
        seen = [self.levels[0](images)]
        for level in self.levels[1:]:
            seen.append(level(seen[-1]))
        *finer, coarsest = (join(level) for join, level in zip(self.joins, seen[1:], strict=True))
        joined = coarsest
        for level, block in zip(reversed(finer), reversed(self.blocks), strict=True):
            joined = block(functional.interpolate(joined, scale_factor=2.0, mode="nearest") + level)
        return self.head(joined)


class Landmarker(nn.Module):
    """Landmarks of pictures of any size, which are resized (antialiased) to the network's own resolution.

    resolution: can be halved once for each width. widths, top: the pyramid's.
    """

    def __init__(self, resolution: int, widths: Sequence[int] = (16, 32, 48, 48, 48), top: int = 32):
        super().__init__()
        self.arguments = {"resolution": resolution, "widths": list(widths), "top": top}
        self.resolution = resolution
        self.pyramid = Pyramid(widths, top, LANDMARKS)

    def heat(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 68 quarter quarter"]:
        """Logarithms of each map's heat, which adds up to 1."""
        maps = self.pyramid(fitted(images, self.resolution))
        return maps.flatten(2).log_softmax(dim=2).view_as(maps)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 68 2"]:
        """Landmarks in ndc (y up) of pictures in [−1, 1]: of each and of its mirror image, the mean."""
        mirrored = means(self.heat(images.flip(3)))[:, list(MIRRORED)] * images.new_tensor([-1.0, 1.0])
        return (means(self.heat(images)) + mirrored) / 2


def means(heat: Float[Tensor, "batch maps side side"]) -> Float[Tensor, "batch maps 2"]:
    """Where the means of maps lie, in ndc (y up), given the logarithms of their heat."""
    shares, place = heat.exp(), centres(heat.shape[-1], heat)
    return torch.stack([shares.sum(dim=2) @ place, -(shares.sum(dim=3) @ place)], dim=-1)
