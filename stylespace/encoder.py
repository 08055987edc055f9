"""Picture → w: a plain residual network whose output has fixed length, so that neither it nor the generator behind it can drift in scale.

Its trunk has the architecture of a network that reads faces (stylespace.trunks), so it can start from one: what a face is need not be
learned twice. A trunk of equalised layers like the discriminator's costs twice as much and learns far less in as many pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stylespace.trunks import build_trunk, fitted


class Encoder(nn.Module):
    """Picture in [−1, 1] of any size (resized, antialiased) → w, one vector per picture, of mean square 1.

    resolution: a power of two from 8. width: channels of the first level, a multiple of 8. hidden: width of the layer before the last.
    """

    def __init__(self, resolution: int, w_dim: int = 512, width: int = 32, hidden: int = 512, architecture: str = "residual"):
        super().__init__()
        self.arguments: dict[str, Any] = {
            "resolution": resolution, "w_dim": w_dim, "width": width, "hidden": hidden, "architecture": architecture,
        }  # fmt: skip
        self.resolution = resolution
        self.trunk, numbers = build_trunk(architecture, resolution, width)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(numbers, hidden), nn.SiLU())
        self.out = nn.Linear(hidden, w_dim)
        self.trunk.to(memory_format=torch.channels_last)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch w_dim"]:
        w = self.out(self.neck(self.trunk(fitted(image, self.resolution))))
        return w * (w.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
