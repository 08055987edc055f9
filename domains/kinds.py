"""Pictures of the same scenes, made of several kinds of codes: each kind beside the true ones by a likeness of its own (domains.likeness).

A crowd that is followed over all kinds at once can be like the true one where none of them is: what one has too much of hides what another
lacks. So each kind has a crowd and a critic to itself. What a network sees in the true pictures is the same for all, and found once.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from domains.likeness import Likeness
from domains.movement import STILL, Movement

KINDS = ("encoded", "mapped")
"""What an encoder finds in pictures, as in photographs, and what a mapping makes of z, as of sampled faces."""


class Kinds:
    """likenesses: of pictures of each kind; all have the same onlookers, but for what is followed of their own pictures. moved: whether
    pictures are moved before they are compared (domains.movement)."""

    def __init__(self, likenesses: Mapping[str, Likeness], moved: bool = True):
        self.likenesses, self.moved = likenesses, moved
        self.modules: Mapping[str, nn.Module] = {
            f"{kind}_{name}": module for kind, likeness in likenesses.items() for name, module in likeness.modules.items()
        }
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            f"{kind}_critic": likeness.optimizer for kind, likeness in likenesses.items()
        }

    def descend(
        self, optimizer: torch.optim.Optimizer, made: Float[Tensor, "all 3 height width"],
        images: Float[Tensor, "batch 3 height width"], generator: torch.Generator, besides: Float[Tensor, ""] | float = 0.0,
    ) -> dict[str, Tensor | float]:  # fmt: skip
        """One step of those who made the pictures, which lie kind after kind, then one of each critic; returns the metrics of all.
        generator: by which it is drawn how all are moved before they are compared, and which of the onlookers sees them. besides: what else
        is to be lowered."""
        movement = Movement.drawn(images.shape[2], generator) if self.moved else STILL
        any_kind = next(iter(self.likenesses.values()))
        truth = any_kind.look(movement(images), int(torch.randint(len(any_kind.onlookers), (), generator=generator)))
        parts = movement(made).chunk(len(self.likenesses))
        found = {kind: likeness.compare(part, truth) for (kind, likeness), part in zip(self.likenesses.items(), parts, strict=True)}
        optimizer.zero_grad(set_to_none=True)
        (sum(comparison.loss for comparison in found.values()) + besides).backward()
        optimizer.step()
        return {
            f"{kind}_{name}": torch.as_tensor(value).detach()
            for kind, likeness in self.likenesses.items()
            for name, value in (found[kind].metrics | likeness.criticise(found[kind])).items()
        }
