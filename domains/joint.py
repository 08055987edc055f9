"""Generator, encoder and mapping network trained together: the last and longest stage of a generator from scratch.

Half of each batch is decoded from what the encoder finds in pictures, half from mapped codes, which know what an encoder has yet to learn
to see. Three terms, each of which sees what the others overlook:

* the picture: where everything is, and its colours;
* the features that a network which reads faces has of the picture: what blurs or moves a face, however few pixels it takes;
* a critic on the same features (stylespace.critic), where it has a weight: what makes pictures pass for the world's own.

The result is the moving average of the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from domains.adversary import ADAM, parameter_group, set_rates
from domains.codes import code_rotation, latent_of
from domains.train import ENCODER_SHARE, Reals
from stylespace.critic import FeatureCritic, critic_loss, fooling_loss
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.objectives import ema_update, feature_loss, picture_loss
from stylespace.schedule import rate_at

Levels = Callable[[Tensor], Sequence[Tensor]]
"""Pictures → what a network sees in them, level by level: feature maps [batch, c, h, w] first, then vectors."""


@dataclass(frozen=True)
class Terms:
    """Weights of the stage's terms. agreement: of the mean squared difference of the two w of an encoded picture. fooling: of the critic's;
    0 leaves it out."""

    picture: float = 1.0
    features: float = 0.05
    fooling: float = 0.0
    agreement: float = 0.1


class Joint:
    """See the module. levels: the network whose features count; it is left as it is. batch: pictures, an even number.

    rate: Adam's learning rate of generator and encoder; critic_rate: of the critic. mapping_boost: factor on the mapping network's, whose
    own multiplier (0.01) is a brake where its codes are supervised. middle: how much more the picture's middle counts
    (objectives.middle_weight). ema_images: half-life of the moving average in images.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        critic: FeatureCritic,
        levels: Levels,
        reals: Reals,
        batch: int,
        total_images: int,
        rate: float = 2e-3,
        critic_rate: float = 1e-3,
        terms: Terms | None = None,
        middle: float = 0.0,
        mapping_boost: float = 30.0,
        ema_images: float = 5000.0,
    ):
        if batch % 2:
            raise ValueError(f"a batch of {batch} does not halve into encoded and mapped pictures; give an even number")
        self.generator, self.encoder, self.critic, self.levels, self.reals = generator, encoder, critic, levels, reals
        self.batch, self.total_images, self.middle, self.ema_images = batch, total_images, middle, ema_images
        self.terms = terms or Terms()
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.average_encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
        self.modules: Mapping[str, nn.Module] = {
            "generator": generator,
            "encoder": encoder,
            "critic": critic,
            "average": self.average,
            "average_encoder": self.average_encoder,
        }
        drawing = parameter_group(list(generator.synthesis.parameters()), rate)
        seeing = parameter_group(list(encoder.parameters()), rate * ENCODER_SHARE)
        mapping = parameter_group(list(generator.mapping.parameters()), rate * mapping_boost)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam([drawing, seeing, mapping], betas=(0.9, 0.99)),
            "critic": torch.optim.Adam([parameter_group(list(critic.parameters()), critic_rate)], **ADAM),
        }
        self.rotation = code_rotation(generator.z_dim)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images))
        images, codes = self.reals(position, self.batch, generator)
        half = self.batch // 2
        encoded = self.encoder(images[:half])
        mapped = self.generator.map(latent_of(codes, self.rotation.to(codes.device), generator))
        style = self.generator.styles(self.generator.broadcast(torch.cat([encoded, mapped[half:]])))
        made = self.generator.synthesise(style)
        with torch.no_grad():
            wanted = self.levels(images)
        if not position:
            self.critic.fit(maps_of(wanted))
        seen = self.levels(made)
        terms = self.terms
        metrics = {
            "encoded": picture_loss(made[:half], images[:half], middle=self.middle),
            "mapped": picture_loss(made[half:], images[half:], middle=self.middle),
            "features": feature_loss(seen, wanted),
            "apart": (encoded - mapped[:half]).square().mean(),
        }
        loss = terms.picture * (metrics["encoded"] + metrics["mapped"]) / 2
        loss = loss + terms.features * metrics["features"] + terms.agreement * metrics["apart"]
        if terms.fooling:
            self.critic.requires_grad_(False)
            metrics["fooling"] = fooling_loss(self.critic(maps_of(seen)))
            loss = loss + terms.fooling * metrics["fooling"]
        optimizer = self.optimizers["generator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if terms.fooling:
            metrics["critic"] = self.criticise(maps_of(wanted), [features.detach() for features in maps_of(seen)])
        self.follow(position, mapped.detach())
        return {name: value.detach() for name, value in metrics.items()}

    def criticise(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
        """One step of the critic."""
        self.critic.requires_grad_(True)
        loss = critic_loss(self.critic(real), self.critic(fake))
        optimizer = self.optimizers["critic"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    @torch.no_grad()
    def follow(self, position: int, mapped: Tensor) -> None:
        """The average w and the averages of the weights."""
        self.generator.w_avg.lerp_(mapped.mean(dim=0), 0.005)
        beta = 0.5 ** (self.batch / min(self.ema_images, 0.1 * (position + self.batch)))
        ema_update(self.average, self.generator, beta)
        ema_update(self.average_encoder, self.encoder, beta)


def maps_of(levels: Sequence[Tensor]) -> list[Tensor]:
    """Those of the levels that are maps."""
    return [level for level in levels if level.dim() == 4]
