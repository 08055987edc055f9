"""Who is compared: generators with random weights, the published algorithm, and our ways to draw the same picture."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks import published
from stylespace.generator import Generator

Draw = Callable[[Float[Tensor, "batch style_dim"]], Float[Tensor, "batch 3 height width"]]

PUBLISHED, EXACT, FAST = "published, float32", "ours, exact", "ours, fast"
SCALED = "published, not fused"

LARGEST_FLOAT64 = 256
"""Above this resolution a float64 picture takes too long, and the published algorithm in float32 is the reference."""


@dataclass(frozen=True, order=True)
class Size:
    """A generator: picture size and channel base."""

    resolution: int
    channel_base: int

    def __str__(self) -> str:
        return f"{self.resolution} px, base {self.channel_base}"


def parse_sizes(text: str) -> list[Size]:
    """`256:16384,1024:32768` → sizes. Raises ValueError for anything else."""
    try:
        return [Size(*(int(number) for number in part.split(":"))) for part in text.split(",") if part]
    except (ValueError, TypeError) as error:
        raise ValueError(f"sizes {text!r} cannot be read; write resolution:base, …, such as 256:16384,1024:32768") from error


def make_generator(size: Size, device: torch.device | str = "cpu") -> Generator:
    """Random weights, with noise that can be seen; no gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(size.resolution, channel_base=size.channel_base).requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.1)
    return generator.to(device)


@torch.no_grad()
def make_styles(generator: Generator, batch: int) -> Float[Tensor, "batch style_dim"]:
    z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(1))
    return generator.styles(generator.broadcast(generator.map(z.to(generator.w_avg.device)))).contiguous()


def has_precision(generator: Generator) -> bool:
    """Whether `synthesise` can be asked for its fast form."""
    return "precision" in inspect.signature(generator.synthesise).parameters


def contestants(generator: Generator, compiled: bool = False) -> dict[str, Draw]:
    """Name → how it draws a style code; those that this generator does not have are left out."""
    draws: dict[str, Draw] = {
        PUBLISHED: lambda s: published.synthesise(generator, s),
        SCALED: lambda s: published.synthesise(generator, s, per_sample=False),
        EXACT: generator.synthesise,
    }
    best, draw = EXACT, generator.synthesise
    if has_precision(generator):
        best, draw = FAST, lambda s: generator.synthesise(s, precision="fast")
        draws[FAST] = draw
    if compiled:
        draws[f"{best}, torch.compile"] = torch.compile(draw)
    return draws


@torch.no_grad()
def reference(generator: Generator, s: Float[Tensor, "batch style_dim"]) -> tuple[str, Float[Tensor, "batch 3 height width"]]:
    """What pictures are measured against, with its name: float64 where that is affordable."""
    if generator.resolution > LARGEST_FLOAT64:
        return PUBLISHED, published.synthesise(generator, s)
    double = copy.deepcopy(generator).double()
    return "published, float64", published.synthesise(double, s.double())


@dataclass(frozen=True)
class Error:
    """Distance to the reference. relative: root of the mean square difference over that of the reference. largest: absolute difference."""

    relative: float
    largest: float


def error_of(found: Tensor, expected: Tensor) -> Error:
    difference = found.double() - expected.double()
    relative = difference.square().mean().sqrt() / expected.double().square().mean().sqrt()
    return Error(float(relative), float(difference.abs().max()))
