"""A discriminator on the features of a network that already sees faces (Projected GAN, Sauer et al. 2021).

Learning what a face is from nothing is most of what a discriminator's training costs. One head per feature map judges every place of
it on its own; spectral normalisation (Miyato et al. 2018) keeps the heads from running away. What differs from the paper: the features
are not mixed across scales and channels, and the network behind them was trained on the same world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Maps = Sequence[Float[Tensor, "batch _ _ _"]]
"""Feature maps of the same pictures, one per level."""


class FeatureCritic(nn.Module):
    """Feature maps → scores of all places of all levels; higher is more real. channels: of every level. width: of the heads."""

    def __init__(self, channels: Sequence[int], width: int = 64):
        super().__init__()
        self.arguments: dict[str, Any] = {"channels": list(channels), "width": width}
        self.heads = nn.ModuleList(self._head(count, width) for count in channels)
        self.register_buffer("scales", torch.ones(len(channels)))

    @staticmethod
    def _head(channels: int, width: int) -> nn.Sequential:
        parts: list[nn.Module] = []
        for inputs, outputs in ((channels, width), (width, width), (width, 1)):
            parts += [spectral_norm(nn.Linear(inputs, outputs)), nn.LeakyReLU(0.2)]
        return nn.Sequential(*parts[:-1])

    @torch.no_grad()
    def fit(self, maps: Maps) -> None:
        """Measure how large the features of real pictures are; each is about 1 from then on. (With vectors of length 1, heads that spectral
        normalisation keeps flat could hardly tell blur from hair.)"""
        for scale, features in zip(self.scales, maps, strict=True):
            scale.copy_(features.square().mean().sqrt())

    def forward(self, maps: Maps) -> list[Float[Tensor, "batch places"]]:
        """The scores of every place, level by level."""
        return [
            head(features.permute(0, 2, 3, 1) / scale).flatten(1)
            for head, features, scale in zip(self.heads, maps, self.scales, strict=True)
        ]


Scores = Sequence[Float[Tensor, "batch _"]]


def critic_loss(real_scores: Scores, fake_scores: Scores) -> Float[Tensor, ""]:
    """max(0, 1 − D(real)) + max(0, 1 + D(fake)) (Lim and Ye 2017); every level weighs as much, however many places it has."""
    levels = [(1 - real).relu().mean() + (1 + fake).relu().mean() for real, fake in zip(real_scores, fake_scores, strict=True)]
    return torch.stack(levels).mean()


def fooling_loss(fake_scores: Scores) -> Float[Tensor, ""]:
    """−D(fake), the generator's."""
    return -torch.stack([scores.mean() for scores in fake_scores]).mean()
