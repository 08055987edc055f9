"""Picture → who it shows: unit vectors whose cosine says how alike two people are.

The recogniser may be used in training; the identity judge has another architecture, other people and another seed, and trains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from stylespace.trunks import build_trunk, fitted

EMBED_BATCH = 128


class Recogniser(nn.Module):
    """Unit vectors from pictures of any size, which are resized (antialiased) to the network's own resolution.

    architecture: "residual" (the recogniser's) or "plain" (the identity judge's). resolution: a power of two from 8. width: channels of
    the first level, a multiple of 8. features: numbers of a vector. Like ArcFace's networks (Deng et al. 2019, option E, but without
    dropout), it ends in a linear layer and a batch normalisation.
    """

    def __init__(self, architecture: str, resolution: int, width: int = 32, features: int = 128):
        super().__init__()
        self.arguments = {"architecture": architecture, "resolution": resolution, "width": width, "features": features}
        self.resolution = resolution
        self.trunk, numbers = build_trunk(architecture, resolution, width)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(numbers, features, bias=False), nn.BatchNorm1d(features))
        self.trunk.to(memory_format=torch.channels_last)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
        return functional.normalize(self.neck(self.trunk(fitted(images, self.resolution))), dim=1)

    def embed(self, images: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images features"]:
        """Unit vectors of any number of pictures in [−1, 1], a batch at a time."""
        return torch.cat([self(part) for part in images.split(EMBED_BATCH)])

    def similarity(
        self, images: Float[Tensor, "images 3 height width"], others: Float[Tensor, "images 3 tall wide"]
    ) -> Float[Tensor, " images"]:
        """Cosine between each picture and its counterpart: 1 for the same picture, about 0 for unrelated people."""
        return (self.embed(images) * self.embed(others)).sum(dim=1)


@dataclass(frozen=True)
class Verification:
    """How well cosines tell same from different people. auc: chance that a random pair of pictures of one person is more alike than a
    random pair of two people. same, different: mean cosine of both kinds of pairs."""

    auc: float
    same: float
    different: float


@torch.no_grad()
def verification(embeddings: Float[Tensor, "n features"], people: Int[Tensor, " n"]) -> Verification:
    """Over all pairs of pictures; `people` says whom each shows. The AUC is Mann and Whitney's statistic, ties counting half."""
    first, second = torch.triu_indices(len(people), len(people), offset=1, device=people.device)
    cosines = (embeddings @ embeddings.T)[first, second]
    alike = people[first] == people[second]
    same, different = cosines[alike], cosines[~alike].sort().values
    if not len(same) or not len(different):
        raise ValueError("verification needs two people at least, and two pictures of one of them")
    below = (torch.searchsorted(different, same) + torch.searchsorted(different, same, right=True)) / 2
    return Verification(float(below.double().mean() / len(different)), float(same.mean()), float(different.mean()))
