"""Picture → face parameters: the estimator that trains the rest, and the judge that trains nothing.

Both are small convolutional networks: a trunk, then one hidden layer whose activations serve as features, then standardised parameters.
They stand where Deep3DFaceRecon stands in the literature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.blocks import Standardiser, param_layout
from cddfm.params import FaceParams
from stylespace.trunks import build_trunk, fitted


class Reconstructor(nn.Module):
    """Face parameters from a picture of any size, which is resized (antialiased) to the network's own resolution.

    architecture: "residual" (the estimator's) or "plain" (the judge's). resolution: a power of two from 8. sizes: counts of identity,
    expression and albedo coefficients. width: channels of the first level, a multiple of 8. hidden: number of features.
    """

    def __init__(self, architecture: str, resolution: int, sizes: Sequence[int], width: int = 24, hidden: int = 256):
        super().__init__()
        self.arguments = {
            "architecture": architecture, "resolution": resolution, "sizes": list(sizes), "width": width, "hidden": hidden,
        }  # fmt: skip
        self.resolution = resolution
        self.layout = param_layout(sizes)
        self.statistics = Standardiser(self.layout.total)
        self.trunk, numbers = build_trunk(architecture, resolution, width)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(numbers, hidden), nn.SiLU())
        self.head = nn.Linear(hidden, self.layout.total)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
        self.trunk.to(memory_format=torch.channels_last)

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch hidden"]:
        """The last hidden activations, for feature losses; images in [−1, 1]."""
        return self.neck(self.trunk(fitted(images, self.resolution)))

    def levels(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """What it sees on the way, for losses: the last feature map of every resolution from large to small, the features, and the
        standardised parameters."""
        maps: list[Tensor] = []
        x = fitted(images, self.resolution)
        for part in self.trunk:
            before, x = x, part(x)
            if maps and x.shape[2:] == before.shape[2:]:
                maps[-1] = x
            else:
                maps.append(x)
        features = self.neck(x)
        return [*maps, features, self.head(features)]

    def standard(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch total"]:
        """Flat parameters in units of the training labels' deviations."""
        return self.head(self.features(images))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> FaceParams:
        return FaceParams.unflatten(self.layout, self.statistics.restore(self.standard(images)))
