"""A picture becomes a style code, and what a generator learns of it: first the code is sought, then weights that draw the picture by it.

The second is pivotal tuning (Roich et al. 2022, "Pivotal tuning for latent-based editing of real images", ACM TOG 42): what no code of the
generator's draws, a backdrop, a haircut, this face and not a relative's, is learned by its weights, a little and about this one code, and
codes that are edited from it keep it. Style affines and the mapping are out of it, so codes mean what they did. Unlike there, nothing else
is held in place: so few steps leave the edits as they were, and edited pictures come nearer to the true ones (the model card has numbers).

Generators of other domains were finetuned from that one, and its weights still mean much the same to them (Pinkney and Adler 2020,
"Resolution dependent GAN interpolation", exchange them outright): they take half of the same steps, as they draw by a code from halfway,
but for the colours of toRGB layers, which are a domain's own.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylespace.generator import Generator
from stylespace.invert import ELSEWHERE, Inversion, Target, invert
from stylespace.objectives import picture_losses

TUNING_SHARE = 0.4
"""Share of the steps that tune the generator."""

RATE = 3e-3
"""Adam's learning rate at the start of the tuning; weights are of deviation 1."""

Features = Callable[[Tensor], Tensor]
OnStep = Callable[[int, Tensor], None]


@dataclass(frozen=True)
class Learned:
    """What a generator learned of a picture: by how much each weight has changed."""

    steps: Mapping[str, Tensor]

    def onto(self, generator: Generator) -> Generator:
        """A copy of the generator that learned it, with all that it learned."""
        return _moved(generator, self.steps, 1.0)

    def elsewhere(self, generator: Generator) -> Generator:
        """A copy of another domain's generator, `ELSEWHERE` of the way in all but colours."""
        return _moved(generator, {name: step for name, step in self.steps.items() if ".torgb." not in name}, ELSEWHERE)


@torch.no_grad()
def _moved(generator: Generator, steps: Mapping[str, Tensor], share: float) -> Generator:
    moved = copy.deepcopy(generator).requires_grad_(False)
    for name, step in steps.items():
        moved.synthesis.get_parameter(name).add_(share * step)
    return moved


@dataclass(frozen=True)
class Embedding:
    """inversion: by the generator as it was. loss: the picture loss of what it makes of the code with all that it learned."""

    inversion: Inversion
    learned: Learned
    loss: float


def code_steps(steps: int) -> int:
    """Those of so many steps that seek the code."""
    return steps - round(TUNING_SHARE * steps)


def embed(
    generator: Generator, encode: Callable[[Tensor], Tensor], image: Float[Tensor, "1 3 height width"], steps: int = 150,
    features: Features | None = None, on_step: OnStep | None = None,
) -> Embedding:  # fmt: skip
    """Invert one aligned picture in [−1, 1], and let the generator learn it; arguments are those of `invert`. Same input, same result:
    nothing is random."""
    first = code_steps(steps)
    inversion = invert(generator, encode, image, first, features, on_step)
    later = None if on_step is None else lambda step, loss: on_step(first + step, loss)
    learned = tune(generator, inversion.s, image, steps - first, features, later)
    with torch.no_grad():
        return Embedding(inversion, learned, float(picture_losses(learned.onto(generator).synthesise(inversion.s), image)))


def tune(
    generator: Generator, s: Float[Tensor, "1 style_dim"], image: Float[Tensor, "1 3 height width"], steps: int,
    features: Features | None = None, on_step: OnStep | None = None,
) -> Learned:  # fmt: skip
    """What it takes to draw s as this picture, as nearly as so many steps come. The generator itself stays as it is."""
    own = copy.deepcopy(generator).requires_grad_(False)
    weights = {name: weight.requires_grad_(True) for name, weight in own.synthesis.named_parameters() if ".affine." not in name}
    target, optimizer = Target(image, features), torch.optim.Adam(weights.values(), lr=RATE, betas=(0.9, 0.99))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.enable_grad():
            loss = target.losses(own.synthesise(s)).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, loss.detach())
    return Learned({name: (weight - generator.synthesis.get_parameter(name)).detach() for name, weight in weights.items()})
