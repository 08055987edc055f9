"""Latent-consistent finetuning where a face's picture in the other domain is known: the world draws every scene in every style.

What embeds the latent stays as it is bit for bit, as without partners (domains.finetune). Here every style code has a picture that it is
to draw, so likeness to it (domains.likeness) takes the place of the adversarial loss alone: a pose or a mouth cannot drift, and so the
colours of toRGB layers, which are frozen there with their styles, may learn here as well. While they could not, clay was tinted by the
colour of the hair that its code is of. A scene has several codes, of what an encoder finds and of what a mapping makes, and is drawn from
each (domains.kinds). The result is the moving average of the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from domains.finetune import embedding_names, unfrozen_copy
from domains.kinds import Kinds
from domains.optimisers import parameter_group, set_rates
from stylespace.generator import Generator
from stylespace.objectives import ema_update
from stylespace.schedule import average_decay, rate_at

Pairs = Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
"""(position, count, generator) → style codes of so many faces [kinds · count, style_dim], kind after kind, and the domain's pictures of the
same faces [count, 3, resolution, resolution]."""


class Paired:
    """See the module; `modules["average"]` is the result, and `frozen` names what is the source's in it. rate: Adam's learning rate.
    ema_images: half-life of the average in images."""

    frozen = staticmethod(embedding_names)

    def __init__(
        self,
        source: Generator,
        kinds: Kinds,
        pairs: Pairs,
        batch: int,
        total_images: int,
        rate: float = 2e-3,
        ema_images: float = 2000.0,
    ):
        self.kinds, self.pairs, self.batch, self.total_images, self.ema_images = kinds, pairs, batch, total_images, ema_images
        self.generator, trained = unfrozen_copy(source, self.frozen(source))
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.modules: Mapping[str, nn.Module] = {"generator": self.generator, "average": self.average, **kinds.modules}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam([parameter_group(trained, rate)], betas=(0.9, 0.99)),
            **kinds.optimizers,
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images))
        s, pictures = self.pairs(position, self.batch, generator)
        made = self.generator.synthesise(s)
        metrics = self.kinds.descend(self.optimizers["generator"], made, pictures, generator)
        ema_update(self.average, self.generator, average_decay(position, self.batch, self.ema_images))
        return metrics
