"""How like the given pictures generated ones are, in five terms, each of which sees what the others overlook:

* the picture: where everything is, and its colours; where a face speaks most it may count more;
* the features that a network which reads faces has of the picture: what blurs or moves a face, however few pixels it takes;
* where pictures come in pairs of one scene before and after a change, the change: it is what edits are made of, and hardly a part of the
  other terms, in which what a face is drowns what it does;
* of the same pairs, the change of what is read of faces, the last of that network's levels: a cheek that is puffed hardly changes a pixel;
* a critic on the same features (stylespace.critic), where it has a weight: what makes pictures pass for given ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from domains.optimisers import ADAM, parameter_group
from stylespace.critic import FeatureCritic, critic_loss, fooling_loss
from stylespace.objectives import change_left, feature_loss, halves_apart, left, picture_loss

Levels = Callable[[Tensor], Sequence[Tensor]]
"""Pictures → what a network sees in them, level by level: feature maps [batch, c, h, w] first, then vectors."""


TEXTURE = 0.25
"""Of the side of the finest map: the smallest that is a matter of how sharp pictures are."""

Attention = Callable[[Sequence[Tensor], int], Float[Tensor, "batch 1 resolution resolution"]]
"""(what a network sees in pictures, resolution) → how much more each of their pixels counts than elsewhere."""


class Comparison(NamedTuple):
    """loss: what the generator is to lower, and the metrics that it consists of. wanted, seen: feature maps of both kinds of pictures."""

    loss: Float[Tensor, ""]
    metrics: dict[str, Tensor | float]
    wanted: list[Tensor]
    seen: list[Tensor]


class Likeness:
    """levels: the network whose features count; it is left as it is. features, fooling, changes, readings: weights beside the picture's
    1, of the features, of the critic, and of changes of pictures and of readings (0 leaves any of the last three out; with changes or
    readings, a batch's second half are the first's scenes after one). attention: what counts more in pictures than the rest; all counts
    alike without it. rate: Adam's learning rate of the critic."""

    def __init__(
        self, critic: FeatureCritic, levels: Levels, features: float = 0.15, fooling: float = 0.0, changes: float = 0.0,
        readings: float = 0.0, attention: Attention | None = None, rate: float = 1e-3,
    ):  # fmt: skip
        self.critic, self.levels, self.attention = critic, levels, attention
        self.features, self.fooling, self.changes, self.readings = features, fooling, changes, readings
        self.optimizer = torch.optim.Adam([parameter_group(list(critic.parameters()), rate)], **ADAM)

    def compare(
        self, made: Float[Tensor, "batch 3 height width"], images: Float[Tensor, "batch 3 height width"], first: bool
    ) -> Comparison:
        """first: whether this is the first batch of a training, on which the critic measures how large features are."""
        with torch.no_grad():
            wanted = self.levels(images)
            weight = None if self.attention is None else _of_mean_one(1 + self.attention(wanted, images.shape[2]))
        if first:
            self.critic.fit(maps_of(wanted))
        seen = self.levels(made)
        metrics: dict[str, Tensor | float] = {
            "picture": picture_loss(made, images, weight=weight),
            "features": feature_loss(seen, wanted),
        }
        loss = metrics["picture"] + self.features * metrics["features"]
        if self.changes:
            metrics["change"] = change_left(made, images, weight)
            loss = loss + self.changes * metrics["change"]
        if self.readings:
            change, lacking = halves_apart(wanted[-1]), halves_apart(seen[-1]) - halves_apart(wanted[-1])
            metrics["reading"] = left(lacking.square().mean(dim=1), change.square().mean(dim=1))
            loss = loss + self.readings * metrics["reading"]
        if self.fooling:
            self.critic.requires_grad_(False)
            metrics["fooling"] = fooling_loss(self.critic(maps_of(seen)))
            loss = loss + self.fooling * metrics["fooling"]
        return Comparison(loss, metrics, maps_of(wanted), [features.detach() for features in maps_of(seen)])

    def descend(
        self, optimizer: torch.optim.Optimizer, made: Float[Tensor, "batch 3 height width"],
        images: Float[Tensor, "batch 3 height width"], first: bool,
    ) -> dict[str, Tensor | float]:  # fmt: skip
        """One step of those who made the pictures, then one of the critic; returns the metrics of both."""
        comparison = self.compare(made, images, first)
        optimizer.zero_grad(set_to_none=True)
        comparison.loss.backward()
        optimizer.step()
        metrics = comparison.metrics | self.criticise(comparison)
        return {name: value.detach() for name, value in metrics.items()}

    def criticise(self, comparison: Comparison) -> dict[str, Tensor | float]:
        """One step of the critic, if it has a weight."""
        if not self.fooling:
            return {}
        self.critic.requires_grad_(True)
        loss = critic_loss(self.critic(comparison.wanted), self.critic(comparison.seen))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {"critic": loss.detach()}


def _of_mean_one(weight: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
    return weight / weight.mean(dim=(2, 3), keepdim=True)


def maps_of(levels: Sequence[Tensor]) -> list[Tensor]:
    """Those of the levels that are maps, at least a `TEXTURE` of the finest: what the critic sees. Of what coarser ones show, the other
    terms know better how it should be."""
    maps = [level for level in levels if level.dim() == 4]
    finest = max(level.shape[2] for level in maps)
    return [level for level in maps if level.shape[2] >= TEXTURE * finest]
