"""Generator and encoder trained together: the longest stage of a generator from scratch.

Pictures are decoded from what the encoder finds in them, or in others of the same scenes, and what it is told, and compared with them
(domains.likeness).

The result is the moving average of the weights. The mapping network is not needed and not touched: it learns afterwards where the encoder
puts what (domains.mapping).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from domains.kinds import Kinds
from domains.optimisers import set_rates
from domains.train import Views, rates
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.objectives import ema_update
from stylespace.schedule import average_decay, rate_at


class Joint:
    """See the module. kinds: encoded alone. rate: Adam's learning rate of the generator, of which what sees takes a share
    (domains.train.rates). ema_images: half-life of the moving average in images."""

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        kinds: Kinds,
        views: Views,
        batch: int,
        total_images: int,
        rate: float = 2e-3,
        ema_images: float = 5000.0,
    ):
        self.generator, self.encoder, self.kinds, self.views = generator, encoder, kinds, views
        self.batch, self.total_images, self.ema_images = batch, total_images, ema_images
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.average_encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
        self.modules: Mapping[str, nn.Module] = {
            "generator": generator,
            "encoder": encoder,
            "average": self.average,
            "average_encoder": self.average_encoder,
            **kinds.modules,
        }
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(rates(generator, encoder, rate), betas=(0.9, 0.99)),
            **kinds.optimizers,
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images))
        seen, facts, images, *_ = self.views(position, self.batch, generator)
        w = self.encoder(seen, facts)
        made = self.generator.synthesise(self.generator.styles(self.generator.broadcast(w)))
        metrics = self.kinds.descend(self.optimizers["generator"], made, images, generator)
        self.follow(position, w.detach())
        return metrics

    @torch.no_grad()
    def follow(self, position: int, w: Tensor) -> None:
        """The average w and the averages of the weights."""
        self.generator.w_avg.lerp_(w.mean(dim=0), 0.005)
        beta = average_decay(position, self.batch, self.ema_images)
        ema_update(self.average, self.generator, beta)
        ema_update(self.average_encoder, self.encoder, beta)
