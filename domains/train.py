"""The first stage of a generator from scratch, an autoencoder (picture and facts → w → picture) that the caller's loop drives.

Colours, outlines and pose come many times faster this way than from an adversarial start. What differs from StyleGAN2 (Karras et al.
2020): this stage, and the supervised terms of the next (domains.joint) and of the mapping (domains.mapping).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from domains.optimisers import parameter_group, set_rates
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.objectives import middle_weight, picture_loss
from stylespace.schedule import rate_at


class Lesson(NamedTuple):
    """What is to be learned of `count` pictures. codes: the scene codes that they are of. beyond: what is so of the pictures' facts and not
    of their codes', as a difference of facts."""

    seen: Float[Tensor, "some 3 R R"]
    """in [−1, 1]: what the encoder sees"""
    facts: Float[Tensor, "count facts"]
    """what it is told, in one round for the pictures that it sees or in two"""
    images: Float[Tensor, "count 3 R R"]
    """what is to come of both"""
    codes: Float[Tensor, "count code"]
    beyond: Float[Tensor, "count facts"]


Views = Callable[[int, int, torch.Generator], Lesson]
"""(position, count, generator) → the lesson of images [position, position + count)."""

ENCODER_SHARE = 0.25
"""Of the generator's learning rate: the encoder's layers are not equalised."""


def rates(generator: Generator, encoder: Encoder, rate: float) -> list[dict[str, Any]]:
    """Groups of an optimiser: what draws, and the linear map of what is told, at this rate; what sees at `ENCODER_SHARE` of it."""
    seeing = [parameter for parameter in encoder.parameters() if parameter is not encoder.told.weight]
    return [parameter_group([*generator.synthesis.parameters(), encoder.told.weight], rate), parameter_group(seeing, rate * ENCODER_SHARE)]


class WarmStart:
    """Autoencoder through the generator, growing: low resolutions learn where things are at a fraction of the cost.

    grow: (resolution, share of total_images by which it ends) for every resolution below the generator's own. rate: Adam's learning rate.
    code_noise: standard deviation of the noise on the encoder's w, which keeps the space smooth. middle: how much more the picture's
    middle counts (objectives.middle_weight).
    """

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        views: Views,
        batch: int,
        total_images: int,
        grow: Sequence[tuple[int, float]] = (),
        rate: float = 2e-3,
        code_noise: float = 0.05,
        middle: float = 0.0,
    ):
        self.generator, self.encoder, self.views = generator, encoder, views
        self.batch, self.total_images, self.grow, self.code_noise, self.middle = batch, total_images, grow, code_noise, middle
        optimizer = torch.optim.Adam(rates(generator, encoder, rate), betas=(0.9, 0.99))
        self.modules: Mapping[str, nn.Module] = {"generator": generator, "encoder": encoder}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"generator": optimizer}

    def resolution_at(self, position: int) -> int:
        """The resolution that is trained after this many images."""
        return next((size for size, end in self.grow if position < end * self.total_images), self.generator.resolution)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        seen, facts, images, *_ = self.views(position, self.batch, generator)
        resolution = self.resolution_at(position)
        optimizer = self.optimizers["generator"]
        set_rates(optimizer, rate_at(position, self.total_images))
        w = self.encoder(seen, facts)
        jitter = torch.randn(w.shape, generator=generator).to(w.device) * self.code_noise
        style = self.generator.styles(self.generator.broadcast(w + jitter))
        target = functional.adaptive_avg_pool2d(images, resolution)
        made = self.generator.synthesise(style, resolution=resolution)
        loss = picture_loss(made, target, weight=middle_weight(resolution, self.middle))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"picture": loss.detach()}


class EncoderStart:
    """An encoder alone learns what to tell a generator that draws already, by the picture loss."""

    def __init__(
        self, generator: Generator, encoder: Encoder, views: Views, batch: int, total_images: int, rate: float = 5e-4, middle: float = 0.0
    ):
        self.generator, self.encoder, self.views = copy.deepcopy(generator).requires_grad_(False), encoder, views
        self.batch, self.total_images, self.middle = batch, total_images, middle
        self.modules: Mapping[str, nn.Module] = {"encoder": encoder}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "encoder": torch.optim.Adam([parameter_group(list(encoder.parameters()), rate)], betas=(0.9, 0.99))
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        seen, facts, images, *_ = self.views(position, self.batch, generator)
        optimizer = self.optimizers["encoder"]
        set_rates(optimizer, rate_at(position, self.total_images))
        made = self.generator.synthesise(self.generator.styles(self.generator.broadcast(self.encoder(seen, facts))))
        loss = picture_loss(made, images, weight=middle_weight(images.shape[2], self.middle))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"picture": loss.detach()}
