"""Do generated pictures pass for the world's own? Their Fréchet distance from it, beside the one between two sets of the world's own.

The distance (Heusel et al. 2017, "GANs trained by a two time-scale update rule") is the one between two Gaussians fitted to what a network
sees in two sets of pictures; here the features of the stack's judge. Between finite sets of one kind it is not zero but what chance makes
of their size, so a distance means something only beside another one between sets as large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cddfm.data import HELD_OUT_SEED
from cddfm.evaluation.exhibition import Exhibition
from cddfm.evaluation.world_scale import Drawn, to_image
from cddfm.images import eight_bit
from cddfm.report import counting, progress_bar
from cddfm.stack import Stack
from stylespace.generator import Generator

MOST_IMAGES = 1_000_000
WORLD_SEEDS = (HELD_OUT_SEED + 10 * MOST_IMAGES, HELD_OUT_SEED + 11 * MOST_IMAGES)
"""The first scene of each of the world's two sets, and of the generated set the first z: no set reaches another."""
GENERATED_SEED = HELD_OUT_SEED + 12 * MOST_IMAGES

BATCH = 50

Features = Callable[[Float[Tensor, "batch 3 side side"]], Float[Tensor, "batch features"]]


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance (unbiased) of the features of `count` pictures; float64, on the CPU."""

    count: int
    mean: Float[Tensor, " features"]
    covariance: Float[Tensor, "features features"]

    @staticmethod
    def of(batches: Iterable[Float[Tensor, "_ features"]]) -> Gaussian:
        """One batch at a time: sums of numbers and of products, about the first batch's mean so that nothing cancels."""
        count, origin, total, products = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
        for batch in batches:
            x = batch.detach().cpu().double()
            origin = origin if count else x.mean(dim=0)
            x = x - origin
            count, total, products = count + len(x), total + x.sum(dim=0), products + x.T @ x
        if count < 2:
            raise ValueError(f"a covariance takes two pictures at least, not {count}")
        mean = total / count
        return Gaussian(count, origin + mean, (products - count * torch.outer(mean, mean)) / (count - 1))

    @property
    def variance(self) -> float:
        """Of all features together."""
        return float(self.covariance.trace())


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), in squared units of the features.

    The last trace is the sum of the singular values of Σ₁^½ Σ₂^½: no root of a matrix that is not symmetric, and exact where the
    covariances lack rank because there are fewer pictures than features.
    """
    shared = torch.linalg.svdvals(_root(one.covariance) @ _root(other.covariance)).sum()
    spread = one.covariance.trace() + other.covariance.trace() - 2 * shared
    return mean_distance(one, other) + max(0.0, float(spread))


def mean_distance(one: Gaussian, other: Gaussian) -> float:
    """The first part, ‖μ₁ − μ₂‖²."""
    return float((one.mean - other.mean).square().sum())


def _root(covariance: Float[Tensor, "features features"]) -> Float[Tensor, "features features"]:
    """The symmetric one; eigenvalues that are nothing but rounding are zero, since their roots would not be small."""
    values, vectors = torch.linalg.eigh(covariance)
    rounding = len(values) * torch.finfo(values.dtype).eps * values[-1]
    return (vectors * values.where(values > rounding, 0.0).sqrt()) @ vectors.T


@torch.no_grad()
def generated(generator: Generator, first: int, count: int, device: torch.device | str) -> Iterator[UInt8[Tensor, "some 3 side side"]]:
    """What z ~ N(0, I) of the seeds [first, first + count) shows: nothing truncated, the generator's own noise, 8 bits as the world's."""
    for start in range(first, first + count, BATCH):
        seeds = range(start, min(start + BATCH, first + count))
        z = torch.stack([torch.randn(generator.z_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]).to(device)
        yield eight_bit(generator.synthesise(generator.styles(generator.broadcast(generator.map(z)))))


@torch.no_grad()
def gaussian_of(features: Features, pictures: Iterable[UInt8[Tensor, "_ 3 side side"]], device: torch.device | str) -> Gaussian:
    return Gaussian.of(features(to_image(batch, device)) for some in pictures for batch in some.split(BATCH))


@dataclass(frozen=True)
class Distance:
    """A domain's generator beside the world. generated: distance of `images` generated pictures from as many of the world's; of_means: the
    part of it that is between the means. world: distance between these and as many others of the world's. variance: of all features."""

    domain: str
    images: int
    features: int
    generated: float
    of_means: float
    world: float
    variance: float

    @property
    def ratio(self) -> float | None:
        return self.generated / self.world if self.world > 0 else None

    def record(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "world_seeds": list(WORLD_SEEDS), "generated_seed": GENERATED_SEED}


def measure_distance(
    features: Features, generator: Generator, exhibition: Exhibition, domain: str, count: int, drawn: Drawn,
    world_seeds: tuple[int, int] = WORLD_SEEDS, generated_seed: int = GENERATED_SEED,
) -> Distance:  # fmt: skip
    """`count` generated pictures, and two sets of as many that the world draws; `drawn` is told of 3 · count pictures."""
    device = exhibition.device

    def made() -> Iterator[Tensor]:
        for pixels in generated(generator, generated_seed, count, device):
            drawn(len(pixels))
            yield pixels

    # the world's come first: they take long, and what is drawn of them stays drawn
    one, other = (gaussian_of(features, exhibition.shards(seed, count, drawn), device) for seed in world_seeds)
    own = gaussian_of(features, made(), device)
    between = frechet_distance(own, one), mean_distance(own, one), frechet_distance(one, other)
    return Distance(domain, count, len(one.mean), *between, one.variance)


def domain_distance(stack: Stack, domain: str, count: int, cache: Path) -> Distance:
    """The same of a stack's domain by its judge, with a bar that shows how far it is."""
    generator = stack.domain(domain)
    exhibition = Exhibition(stack.world, domain, generator.resolution, cache, stack.device)
    with progress_bar(f"Fréchet distance, {domain}", total=3 * count) as advance:
        return measure_distance(stack.judge.features, generator, exhibition, domain, count, counting(advance))
