"""The last stage of a generator from scratch: what z is drawn as is learned beside what is encoded.

A mapping that learned w alone (domains.mapping) tells most of w and not all, and what it misses shows: the crowd of its pictures was twice
as far from the world's as that of encoded ones. But the scene code of every picture is known, and so is what its z should be drawn as.
Here each picture is drawn twice, from what the encoder finds and from what the mapping makes of its code and of noise, and both are
compared with it, each kind with a critic and a crowd of its own (domains.kinds). The energy score of w stays a part of the loss, so
that the mapping makes codes like the encoder's, which edits and other domains learn from, and noise goes on to say what the code does not.

The encoder stays as it is: w keeps its meaning, and the mapping need not run after it. The result is the moving average of the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from domains.codes import latents
from domains.kinds import Kinds
from domains.mapping import energy_score
from domains.optimisers import parameter_group, set_rates
from domains.train import Views
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.objectives import ema_update
from stylespace.schedule import average_decay, rate_at

SCORE = 0.01
"""Weight of the energy score of w beside the picture loss's 1."""

MAPPING_SHARE = 10.0
"""The mapping's learning rate beside that of what draws: its own multiplier (0.01 as a rule) makes it small."""


class Together:
    """See the module. kinds: encoded and mapped, in this order. rate: Adam's learning rate of what draws.
    ema_images: half-life of the moving average in images. `average` is the result."""

    def __init__(
        self, generator: Generator, encoder: Encoder, kinds: Kinds, views: Views, batch: int, total_images: int,
        rate: float = 2e-3, ema_images: float = 5000.0,
    ):  # fmt: skip
        self.generator, self.encoder, self.kinds = generator, encoder, kinds
        self.views, self.batch, self.total_images, self.ema_images = views, batch, total_images, ema_images
        generator.requires_grad_(True)
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        groups = [
            parameter_group(list(generator.synthesis.parameters()), rate),
            parameter_group(list(generator.mapping.parameters()), rate * MAPPING_SHARE),
        ]
        self.modules: Mapping[str, nn.Module] = {
            "generator": generator,
            "average": self.average,
            **kinds.modules,
        }
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(groups, betas=(0.9, 0.99)),
            **kinds.optimizers,
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images))
        seen, facts, images, codes, beyond = self.views(position, self.batch, generator)
        with torch.no_grad():
            w, beyond_code = self.encoder(seen, facts), self.encoder.step(beyond)
        z = torch.cat([latents(codes, len(seen), self.generator.z_dim, generator) for _ in range(2)])
        one, other = (self.generator.map(z) + beyond_code.repeat(2, 1)).chunk(2)
        score = energy_score(one, other, w)
        styles = self.generator.styles(self.generator.broadcast(torch.cat([w, one])))
        made = self.generator.synthesise(styles)
        metrics = self.kinds.descend(self.optimizers["generator"], made, images, generator, besides=SCORE * score)
        ema_update(self.average, self.generator, average_decay(position, self.batch, self.ema_images))
        return metrics | {"score": score.detach()}
