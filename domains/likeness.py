"""How like the given pictures generated ones are, in ten terms, each of which sees what the others overlook:

* the picture: where everything is, and its colours; where a face speaks most it may count more;
* the features that a network which reads faces has of the picture: what blurs or moves a face, however few pixels it takes;
* the crowd of these features over many pictures (domains.crowd): what each picture rightly leaves out when in doubt, but not all can;
* and of many pictures, too, their textures, and the colours and contrasts of their patches (domains.texture);
* busyness and grain, how much goes on in every small window, and in which direction: strands of hair, where no single one is certain
  (domains.texture, stylespace.grain);
* flatness: backgrounds and cheeks without a ripple (domains.texture);
* where pictures come in pairs of one scene before and after a change, the change: it is what edits are made of, and hardly a part of the
  other terms, in which what a face is drowns what it does;
* of the same pairs, the change of what is read of faces, the last of that network's levels: a cheek that is puffed hardly changes a pixel;
* a critic of the pictures' small parts (stylespace.critic), where it has a weight: what makes them pass for given ones.

What is lowered by one network's features is soon nothing to that network (domains.movement), and others still see it. So several may look,
each with a crowd and textures of its own, in one step this one and in the next another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from domains.crowd import Crowd
from domains.optimisers import ADAM, parameter_group
from domains.texture import Textures, busyness_loss, flatness_loss, patches
from stylespace.critic import PatchCritic, critic_loss, fooling_loss
from stylespace.grain import grain_losses
from stylespace.objectives import change_left, feature_loss, halves_apart, left, picture_loss

CRITIC_RATE = 3e-4
"""Adam's for critics: of batches of four, at 0.001 one may know nothing after thousands of pictures, and then pulls anywhere."""

Levels = Callable[[Tensor], Sequence[Tensor]]
"""Pictures → what a network sees in them, level by level: feature maps [batch, c, h, w] first, then vectors, of which the first are the
features of the whole picture and the last what is read of it."""

Attention = Callable[[Sequence[Tensor], int], Float[Tensor, "batch 1 resolution resolution"]]
"""(what a network sees in pictures, resolution) → how much more each of their pixels counts than elsewhere."""

FLATNESS = 0.1
"""Weight of flatness beside busyness: where a picture is flat, the logarithm of a slope rises thirty times as fast as the slope."""


class Onlooker(NamedTuple):
    """levels: the network whose features count; it is left as it is. crowd, textures: what is followed of many pictures as it sees them.
    attention: what counts more in pictures than the rest; all counts alike without it."""

    levels: Levels
    crowd: Crowd
    textures: Textures
    attention: Attention | None = None


class Truth(NamedTuple):
    """images: given ones. turn: which onlooker sees them. levels: what it sees in them. weight: how much each of their pixels counts, 1 in
    the mean; None where all count alike."""

    images: Float[Tensor, "batch 3 height width"]
    turn: int
    levels: Sequence[Tensor]
    weight: Float[Tensor, "batch 1 height width"] | None


class Comparison(NamedTuple):
    """loss: what the generator is to lower, and the metrics that it consists of. made, images: both kinds of pictures."""

    loss: Float[Tensor, ""]
    metrics: dict[str, Tensor | float]
    made: Float[Tensor, "batch 3 height width"]
    images: Float[Tensor, "batch 3 height width"]


class Likeness:
    """features, changes, readings: weights beside the picture's 1, of the features, and of changes of pictures and of readings (with
    changes or readings, a batch's second half are the first's scenes after one). crowding: weight of either of what is followed of many
    pictures. busyness: weight of how much goes on in every small part, in feature maps and in the picture, and, less, of flatness. fooling:
    the critic's pull on the picture, as a share of the picture loss's own (an adaptive weight, as in Esser et al. 2021, "Taming
    transformers", section 3.1). 0 leaves any of these out. rate: Adam's learning rate of the critic."""

    def __init__(
        self, critic: PatchCritic, onlookers: Sequence[Onlooker], features: float = 0.15, fooling: float = 0.0, changes: float = 0.0,
        readings: float = 0.0, crowding: float = 0.0, busyness: float = 0.0, rate: float = CRITIC_RATE,
    ):  # fmt: skip
        self.critic, self.onlookers = critic, onlookers
        self.features, self.fooling, self.changes, self.readings = features, fooling, changes, readings
        self.crowding, self.busyness = crowding, busyness
        self.modules: Mapping[str, nn.Module] = {"critic": critic} | {
            f"{name}{turn or ''}": getattr(onlooker, name) for turn, onlooker in enumerate(onlookers) for name in ("crowd", "textures")
        }
        self.optimizer = torch.optim.Adam([parameter_group(list(critic.parameters()), rate)], **ADAM)

    @torch.no_grad()
    def look(self, images: Float[Tensor, "batch 3 height width"], turn: int = 0) -> Truth:
        """What the onlooker whose turn it is sees in given pictures."""
        onlooker = self.onlookers[turn]
        levels, attention = onlooker.levels(images), onlooker.attention
        return Truth(images, turn, levels, None if attention is None else _of_mean_one(1 + attention(levels, images.shape[2])))

    def compare(self, made: Float[Tensor, "batch 3 height width"], truth: Truth) -> Comparison:
        """By what sees the truth."""
        images, turn, wanted, weight = truth
        onlooker = self.onlookers[turn]
        seen = onlooker.levels(made)
        metrics: dict[str, Tensor | float] = {
            "picture": picture_loss(made, images, weight=weight),
            "features": feature_loss(seen, wanted),
        }
        loss = metrics["picture"] + self.features * metrics["features"]
        maps, true_maps = ([level for level in levels if level.dim() == 4] for levels in (seen, wanted))
        if self.crowding:
            features, true = (next(level for level in levels if level.dim() == 2) for levels in (seen, wanted))
            onlooker.crowd.follow(features.detach(), true)
            metrics["crowd"] = onlooker.crowd(features)
            textured = [*maps, patches(made)]
            onlooker.textures.follow([level.detach() for level in textured], [*true_maps, patches(images)])
            metrics["texture"] = onlooker.textures(textured)
            loss = loss + self.crowding * (metrics["crowd"] + metrics["texture"])
        if self.busyness:
            metrics["busyness"] = busyness_loss(maps, true_maps)
            metrics["grain"] = grain_losses(made, images).mean()
            metrics["flatness"] = flatness_loss(made, images)
            loss = loss + self.busyness * (metrics["busyness"] + metrics["grain"] + FLATNESS * metrics["flatness"])
        if self.changes:
            metrics["change"] = change_left(made, images, weight)
            loss = loss + self.changes * metrics["change"]
        if self.readings:
            change, lacking = halves_apart(wanted[-1]), halves_apart(seen[-1]) - halves_apart(wanted[-1])
            metrics["reading"] = left(lacking.square().mean(dim=1), change.square().mean(dim=1))
            loss = loss + self.readings * metrics["reading"]
        if self.fooling:
            metrics["fooling"], pull = self.pull(made, images, weight)
            loss = loss + (pull * (made - made.detach())).sum()
        return Comparison(loss, metrics, made.detach(), images)

    def pull(
        self, made: Float[Tensor, "batch 3 height width"], images: Float[Tensor, "batch 3 height width"],
        weight: Float[Tensor, "batch 1 height width"] | None,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "batch 3 height width"]]:  # fmt: skip
        """The fooling loss, and its gradient in the picture at `fooling` times the length of the picture loss's."""
        self.critic.requires_grad_(False)
        leaf = made.detach().requires_grad_(True)
        with torch.enable_grad():
            fooling = fooling_loss(self.critic(images), self.critic(leaf))
            (pull,) = torch.autograd.grad(fooling, leaf)
            (own,) = torch.autograd.grad(picture_loss(leaf, images, weight=weight), leaf)
        return fooling.detach(), pull * (self.fooling * own.norm() / pull.norm().clamp_min(torch.finfo(pull.dtype).tiny))

    def criticise(self, comparison: Comparison) -> dict[str, Tensor | float]:
        """One step of the critic, if it has a weight."""
        if not self.fooling:
            return {}
        self.critic.requires_grad_(True)
        loss = critic_loss(self.critic(comparison.images), self.critic(comparison.made))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {"critic": loss.detach()}


def _of_mean_one(weight: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
    return weight / weight.mean(dim=(2, 3), keepdim=True)
