"""Latent-consistent finetuning (CDDFM3D, 2022): a generator of another domain that reads the same style codes in the same way.

Everything that embeds the latent stays as it is, bit for bit: the mapping network, all style affines, and, as published, all toRGB layers.
What is finetuned on the domain's pictures, adversarially, is what draws: the constant, the convolutions, their biases and noise strengths.
So one s means one face in every domain, and an edit found in the source domain is decoded by the other. No picture of the domain needs a
partner here; where there are partners, domains.paired is better.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from domains.optimisers import ADAM, parameter_group, set_rates
from stylespace.discriminator import Discriminator
from stylespace.generator import Generator
from stylespace.objectives import discriminator_loss, ema_update, generator_loss, r1_penalty
from stylespace.schedule import average_decay, rate_at

Pictures = Callable[[int, int, torch.Generator], Tensor]
"""(position, count, generator) → pictures of the domain [count, 3, R, R] in [−1, 1]."""

R1_INTERVAL = 16
"""Steps from one R1 penalty of the discriminator to the next."""

STRUCTURE_SIZE = 8
"""Side of the grey pictures that the structure term compares."""


def embedding_names(generator: Generator) -> set[str]:
    """Names of all tensors (parameters and buffers) that say what a code means, and that no finetuning may change: the mapping network and
    all style affines, and the noise pictures, since a domain must not differ by its noise."""
    return {
        name for name in generator.state_dict() if name.startswith("mapping.") or ".affine." in name or name.endswith(".noise_const")
    }


def published_names(generator: Generator) -> set[str]:
    """`embedding_names`, and the rest of all toRGB layers: what CDDFM3D freezes."""
    return embedding_names(generator) | {name for name in generator.state_dict() if ".torgb." in name}


def structure_distance(a: Float[Tensor, "batch 3 height width"], b: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, ""]:
    """L1 between tiny grey pictures, each standardised: where light and dark lie, whatever the colours and the contrast."""

    def reduced(image: Tensor) -> Tensor:
        grey = functional.adaptive_avg_pool2d(image.mean(dim=1, keepdim=True), STRUCTURE_SIZE).flatten(1)
        return (grey - grey.mean(dim=1, keepdim=True)) / (grey.std(dim=1, keepdim=True) + 1e-3)

    return (reduced(a) - reduced(b)).abs().mean()


def drawing_like(source: Generator, earlier: Generator, origin: Generator, frozen: set[str], since: float = 0.0) -> Generator:
    """A copy of `source` in which all but what is frozen is another generator's, of the same tensors: it draws as that one does, if perhaps
    with another border. origin: what that one was finetuned from. since: of what `source` has learned since it was that, how much is given
    to the copy, as the same difference of weights (Ilharco et al. 2023, "Editing models with task arithmetic"). Raises ValueError for
    generators of other shapes, and where something is to be given but codes no longer mean what they did."""
    known, own, former = (generator.state_dict() for generator in (earlier, source, origin))
    if {name: tensor.shape for name, tensor in known.items()} != {name: tensor.shape for name, tensor in own.items()}:
        raise ValueError(f"generators of one shape are needed, not of {source.arguments} and {earlier.arguments}")
    if since and any(not torch.equal(own[name], former[name]) for name in embedding_names(source)):
        raise ValueError("codes mean something else since, so nothing that was learned since can be given to it")
    generator = copy.deepcopy(source)
    drawn = {name: tensor + since * (own[name] - former[name]) for name, tensor in known.items() if name not in frozen}
    generator.load_state_dict(drawn, strict=False)
    return generator


def mean_of(generators: Sequence[Generator]) -> Generator:
    """The mean of the weights of generators that were finetuned from one (Wortsman et al. 2022, "Model soups"): what each of them has
    learned by itself alone, and by chance, is less in it. One is its own mean. Raises ValueError for generators of other shapes or
    borders."""
    first, *others = generators
    if any(other.arguments != first.arguments for other in others):
        raise ValueError(f"generators of one shape are needed, not of {first.arguments} and others")
    mean = copy.deepcopy(first)
    states = [generator.state_dict() for generator in generators]
    mean.load_state_dict({name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]})
    return mean


def unfrozen_copy(source: Generator, frozen: set[str]) -> tuple[Generator, list[nn.Parameter]]:
    """A copy of a generator in which all parameters but the frozen want gradients, and those that do."""
    generator = copy.deepcopy(source).requires_grad_(False)
    trained = [parameter for name, parameter in generator.named_parameters() if name not in frozen]
    for parameter in trained:
        parameter.requires_grad_(True)
    return generator, trained


class Finetune:
    """Adversarial finetuning of a copy of `source` to the domain of `reals` (unpaired: no picture of the domain has a partner).

    begin: the copy, if it is to draw as an earlier one did (`drawing_like`). gamma: R1 weight (× 0.5, lazy). keep: weight of
    `structure_distance` between what source and copy make of the same s; a small help against drifting poses, 0 switches it off.
    ema_images: half-life of the moving average in images. `modules["average"]` is the result; `frozen` names what is the source's in it.
    """

    frozen = staticmethod(published_names)

    def __init__(
        self,
        source: Generator,
        discriminator: Discriminator,
        reals: Pictures,
        batch: int,
        total_images: int,
        rate: float = 2e-3,
        gamma: float = 1.0,
        keep: float = 0.5,
        ema_images: float = 5000.0,
        begin: Generator | None = None,
    ):
        self.source, self.discriminator, self.reals = source.requires_grad_(False), discriminator, reals
        self.batch, self.total_images = batch, total_images
        self.gamma, self.keep, self.ema_images = gamma, keep, ema_images
        self.generator, self.trained = unfrozen_copy(begin or source, self.frozen(source))
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.modules: Mapping[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": discriminator,
            "average": self.average,
        }
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam([parameter_group(self.trained, rate)], **ADAM),
            "discriminator": torch.optim.Adam([parameter_group(list(discriminator.parameters()), rate)], **ADAM),
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        """Generator first, then the discriminator on the same fakes."""
        images = self.reals(position, self.batch, generator)
        z = torch.randn(self.batch, self.source.z_dim, generator=generator).to(images.device)
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images))
        with torch.no_grad():
            s = self.source.styles(self.source.broadcast(self.source.map(z)))
        fakes, metrics = self._generator_step(s, generator)
        critic = self.optimizers["discriminator"]
        metrics |= discriminator_step(self.discriminator, critic, images, fakes, position // self.batch, self.gamma)
        ema_update(self.average, self.generator, average_decay(position, self.batch, self.ema_images))
        return metrics

    def _generator_step(self, s: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor | float]]:
        fakes = self.generator.synthesise(s, noise=generator)
        self.discriminator.requires_grad_(False)
        adversarial = generator_loss(self.discriminator(fakes))
        loss, metrics = adversarial, {"adversarial": adversarial}
        if self.keep:
            with torch.no_grad():
                before = self.source.synthesise(s)
            metrics["structure"] = structure_distance(fakes, before)
            loss = loss + self.keep * metrics["structure"]
        optimizer = self.optimizers["generator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return fakes.detach(), metrics


def discriminator_step(
    discriminator: Discriminator,
    optimizer: torch.optim.Optimizer,
    reals: Float[Tensor, "batch 3 height width"],
    fakes: Float[Tensor, "batch 3 height width"],
    index: int,
    gamma: float,
) -> dict[str, Tensor | float]:
    """One step on pictures of both kinds; every `R1_INTERVAL` steps (index counts them) with R1 times the interval."""
    discriminator.requires_grad_(True)
    optimizer.zero_grad(set_to_none=True)
    real_scores, fake_scores = discriminator(reals), discriminator(fakes)
    loss = discriminator_loss(real_scores, fake_scores)
    loss.backward()
    metrics: dict[str, Tensor | float] = {
        "discriminator": loss,
        "real_sign": real_scores.sign().mean(),
        "fake_sign": fake_scores.sign().mean(),
    }
    if index % R1_INTERVAL == 0:
        metrics["r1"] = r1_penalty(discriminator, reals, gamma)
        (metrics["r1"] * R1_INTERVAL).backward()
    optimizer.step()
    return metrics
