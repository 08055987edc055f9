"""Picture → face parameters: the estimator that trains the rest, and the judge that trains nothing.

Both look twice. The first look takes in the whole picture: a convolutional trunk, one hidden layer whose activations serve as features,
standardised parameters. The second sees the face laid straight by the pose that was found (cddfm.unwrap), taken from a larger picture,
through a trunk of its own, and has the last word on what is written in a face's small parts. It says these outright: a second look that
only corrects the first starts where every easy lesson is taken, and learns many times slower. They stand where Deep3DFaceRecon stands in
the literature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.blocks import Standardiser, param_layout
from cddfm.params import FaceParams
from cddfm.unwrap import Unwrap
from stylespace.trunks import build_trunk, fitted

CLOSE = ("identity", "expression", "albedo")
"""What the second look reads; pose, place and light are a matter of the whole picture."""


class Reconstructor(nn.Module):
    """Face parameters from a picture of any size, which is resized (antialiased) to the resolution of either look.

    architecture: "residual" (the estimator's) or "plain" (the judge's). resolution: what either look sees, a power of two from 8. sizes:
    counts of identity, expression and albedo coefficients. width: channels of the first level, a multiple of 8. hidden: number of
    features. close_width, close_hidden: the same of the second look. detail: pixels a side of the picture from which it takes the face;
    `resolution` when left out.
    """

    def __init__(
        self, architecture: str, resolution: int, sizes: Sequence[int], width: int = 24, hidden: int = 256, close_width: int = 8,
        close_hidden: int = 64, detail: int | None = None,
    ):  # fmt: skip
        super().__init__()
        self.arguments = {
            "architecture": architecture, "resolution": resolution, "sizes": list(sizes), "width": width, "hidden": hidden,
            "close_width": close_width, "close_hidden": close_hidden, "detail": detail,
        }  # fmt: skip
        self.resolution, self.detail = resolution, detail or resolution
        self.layout = param_layout(sizes)
        self.statistics = Standardiser(self.layout.total)
        self.trunk, numbers = build_trunk(architecture, resolution, width)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(numbers, hidden), nn.SiLU())
        self.head = nn.Linear(hidden, self.layout.total)
        self.unwrap = Unwrap(resolution)
        self.close_trunk, numbers = build_trunk(architecture, resolution, close_width)
        self.close_neck = nn.Sequential(nn.Flatten(), nn.Linear(numbers, close_hidden), nn.SiLU())
        self.close_head = nn.Linear(close_hidden, sum(self.layout.sizes[name] for name in CLOSE))
        with torch.no_grad():
            for head in (self.head, self.close_head):
                head.weight.mul_(0.1)
                head.bias.zero_()
        self.trunk.to(memory_format=torch.channels_last)
        self.close_trunk.to(memory_format=torch.channels_last)

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch hidden"]:
        """The last hidden activations of the first look; images in [−1, 1]."""
        return self.neck(self.trunk(fitted(images, self.resolution)))

    def levels(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """What it sees on the way, for losses: the first look's finest map of the larger picture, which no look goes on from; the last
        feature map of every resolution of either look from large to small; the features of both, and the standardised parameters."""
        *maps, features, first = self.first_levels(images)
        close_maps = last_maps(self.close_trunk, self.laid_straight(images, first))
        close_features = self.close_neck(close_maps[-1])
        return [*maps, *close_maps, features, close_features, self._joined(first, close_features)]

    def first_levels(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """The same of the first look alone."""
        fine = finest_map(self.trunk, fitted(images, self.detail))
        maps = last_maps(self.trunk, fitted(images, self.resolution))
        features = self.neck(maps[-1])
        return [fine, *maps, features, self.head(features)]

    def first(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch total"]:
        """What the first look alone says, as `standard`."""
        return self.head(self.features(images))

    def standard(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch total"]:
        """Flat parameters in units of the training labels' deviations."""
        first = self.first(images)
        return self._joined(first, self.close_neck(self.close_trunk(self.laid_straight(images, first))))

    def laid_straight(
        self, images: Float[Tensor, "batch 3 height width"], first: Float[Tensor, "batch total"]
    ) -> Float[Tensor, "batch 3 resolution resolution"]:
        """The unwrapped faces. No gradient reaches the pose that they are unwrapped by."""
        params = FaceParams.unflatten(self.layout, self.statistics.restore(first.detach()))
        return self.unwrap(fitted(images, self.detail), params).contiguous(memory_format=torch.channels_last)

    def _joined(self, first: Float[Tensor, "batch total"], close: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch total"]:
        read = dict(zip(CLOSE, self.close_head(close).split([self.layout.sizes[name] for name in CLOSE], dim=1), strict=True))
        return torch.cat([read.get(name, first[:, part]) for name, part in self.layout.slices.items()], dim=1)

    def looks(self) -> tuple[nn.ModuleList, nn.ModuleList]:
        """What either look consists of."""
        return nn.ModuleList([self.trunk, self.neck, self.head]), nn.ModuleList([self.close_trunk, self.close_neck, self.close_head])

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> FaceParams:
        return FaceParams.unflatten(self.layout, self.statistics.restore(self.standard(images)))


def last_maps(trunk: nn.Sequential, x: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
    """A trunk's last feature map of every resolution, from large to small."""
    maps = [trunk[0](x)]
    for part in trunk[1:]:
        x = part(maps[-1])
        if x.shape[2:] == maps[-1].shape[2:]:
            maps[-1] = x
        else:
            maps.append(x)
    return maps


def finest_map(trunk: nn.Sequential, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch _ half_height half_width"]:
    """The first of `last_maps`, without the others."""
    finest = trunk[0](x)
    for part in trunk[1:]:
        x = part(finest)
        if x.shape[2:] != finest.shape[2:]:
            break
        finest = x
    return finest
