"""Training of the editor on twins (twins.py): what an edit should have written into s is known, and so is the picture it should give.

Beyond CDDFM3D (2022), which compares parameters only: the loop closes through the generated picture, against the picture of the twin.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.manipulator import Manipulator
from cddfm.objectives import descend, resized
from cddfm.params import ATTRIBUTES, FaceParams, ParamStatistics
from cddfm.reconstruct import Reconstructor
from cddfm.stages.editor import Lessons
from cddfm.stages.sampling import Population
from cddfm.stages.twins import Pairs, Twins
from stylespace.generator import Generator
from stylespace.objectives import left, picture_losses
from stylespace.schedule import rate_at


@torch.no_grad()
def twin_population(twins: Twins, samples: int, seed: int = 0) -> Population:
    """Statistics of codes and of their exact parameters."""
    pairs = twins.draw(samples, torch.Generator().manual_seed(seed))
    low, high = torch.quantile(pairs.params, torch.tensor([0.01, 0.99], device=pairs.params.device), dim=0).unbind(0)
    return Population(ParamStatistics.measure(pairs.s), ParamStatistics.measure(pairs.params), low, high)


def twin_lessons(twins: Twins, population: Population, jitter: float = 0.1) -> Lessons:
    """Both codes of pairs with `jitter` deviations of noise, and their exact parameters."""

    def lessons(count: int, randomness: torch.Generator) -> tuple[Tensor, FaceParams]:
        pairs = twins.draw(count // 2, randomness)
        s = torch.cat([pairs.s, pairs.twin])
        noise = torch.randn(s.shape, generator=randomness).to(s.device)
        flat = torch.cat([pairs.params, pairs.params + pairs.change])
        return s + jitter * population.styles.deviation * noise, FaceParams.unflatten(twins.layout, flat)

    return lessons


class TwinManipulatorStage:
    """s′ = edit(s, Δp) against the twin: in style space, and with a generator through the picture and what the estimator sees of it.

    Every error is relative to the twin's own change (`left`), pair by pair, so that turning heads do not drown closing eyes.

    generator: None for the first part of the training, which needs no pictures and is cheap. resolution: at which pictures are compared.
    style_weight: of the squared standardised difference of codes, over all layers (those that may not be touched only add a constant).
    picture_weight: of the picture loss. reading_weight: of the squared difference of what the estimator reads, in standard deviations.
    jitter: deviations of noise on s and its twin alike, as codes of inverted photographs are off the mapping's range.
    """

    def __init__(
        self,
        *,
        manipulator: Manipulator,
        twins: Twins,
        population: Population,
        total_images: int,
        batch: int,
        generator: Generator | None = None,
        estimator: Reconstructor | None = None,
        resolution: int = 64,
        learning_rate: float = 1e-3,
        style_weight: float = 1.0,
        picture_weight: float = 1.0,
        reading_weight: float = 1.0,
        jitter: float = 0.1,
    ):
        self.manipulator, self.twins, self.population = manipulator.train(), twins, population
        self.generator = None if generator is None else generator.eval().requires_grad_(False)
        self.estimator = None if estimator is None else estimator.eval().requires_grad_(False)
        self.total_images, self.batch, self.resolution, self.learning_rate = total_images, batch, resolution, learning_rate
        self.style_weight, self.picture_weight, self.reading_weight, self.jitter = style_weight, picture_weight, reading_weight, jitter
        manipulator.styles.fit(population.styles)
        manipulator.statistics.fit(population.params)
        self.modules = {"manipulator": manipulator}
        self.optimizers = {"manipulator": torch.optim.Adam(manipulator.parameters(), lr=learning_rate, betas=(0.9, 0.99))}

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        pairs = self.sample(generator)
        slices = self.twins.layout.slices
        edited = self.manipulator.edit(pairs.s, {name: pairs.change[:, slices[name]] for name in ATTRIBUTES})
        deviation = self.population.styles.deviation
        style = left(*(((code - pairs.twin) / deviation).square().mean(dim=1) for code in (edited, pairs.s)))
        loss = self.style_weight * style
        report: dict[str, Tensor | float] = {"style_left": style.detach()}
        if self.generator is not None:
            pictures = resized(self.generator.synthesise(edited), self.resolution)
            with torch.no_grad():
                truth = resized(self.generator.synthesise(pairs.twin), self.resolution)
                before = resized(self.generator.synthesise(pairs.s), self.resolution)
            picture = left(picture_losses(pictures, truth), picture_losses(before, truth))
            loss = loss + self.picture_weight * picture
            report["picture_left"] = picture.detach()
            if self.estimator is not None:
                with torch.no_grad():
                    wanted, unchanged = self.estimator.standard(torch.cat([truth, before])).chunk(2)
                read = self.estimator.standard(pictures)
                reading = left(*((values - wanted).square().mean(dim=1) for values in (read, unchanged)))
                loss = loss + self.reading_weight * reading
                report["reading_left"] = reading.detach()
        descend(self.optimizers["manipulator"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        return {"loss": loss.detach(), **report}

    @torch.no_grad()
    def sample(self, generator: torch.Generator) -> Pairs:
        """Pairs, half of them taken backwards, with the same noise on both codes of a pair."""
        pairs = self.twins.draw(self.batch, generator)
        noise = self.jitter * self.population.styles.deviation * torch.randn(pairs.s.shape, generator=generator).to(pairs.s.device)
        back = (torch.rand(self.batch, 1, generator=generator) < 0.5).to(pairs.s.device)
        s = torch.where(back, pairs.twin, pairs.s) + noise
        twin = torch.where(back, pairs.s, pairs.twin) + noise
        params = pairs.params + pairs.change * back
        change: Float[Tensor, "batch total"] = torch.where(back, -pairs.change, pairs.change)
        return Pairs(s, twin, params, change, pairs.edited)
