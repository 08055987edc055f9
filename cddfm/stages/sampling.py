"""Random style codes, what the estimator reads off their pictures, and the statistics of both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.params import FaceParams, ParamStatistics
from cddfm.reconstruct import Reconstructor
from stylespace.generator import Generator

MIXED_CODES = 5
"""A corpus code mixes up to this many codes over contiguous ranges of layers (StyleRig, section 4)."""

MEASURE_BATCH = 64


def mixed_styles(
    generator: Generator, count: int, randomness: torch.Generator, codes: int = MIXED_CODES, unmixed: float = 0.0
) -> Float[Tensor, "count style_dim"]:
    """Style codes of random z, each image mixing 1 to `codes` of them over contiguous ranges of w+ layers.

    unmixed: chance of an image to keep a single code whatever else.
    """
    device = next(generator.parameters()).device
    z = torch.randn(count, codes, generator.z_dim, generator=randomness).to(device)
    w_plus = generator.broadcast(generator.map(z.flatten(0, 1))).unflatten(0, (count, codes))
    layers = w_plus.shape[2]
    cuts = 1 + torch.rand(count, codes - 1, generator=randomness) * (layers - 1)
    used = torch.randint(codes, (count, 1), generator=randomness)
    used = torch.where(torch.rand(count, 1, generator=randomness) < unmixed, 0, used)
    cuts = torch.where(torch.arange(codes - 1) < used, cuts, torch.inf).floor()
    source = (cuts[:, :, None] <= torch.arange(layers)).sum(dim=1).to(device)
    chosen = w_plus.gather(1, source[:, None, :, None].expand(-1, 1, -1, w_plus.shape[3])).squeeze(1)
    return generator.styles(chosen)


@dataclass(frozen=True)
class Population:
    """Statistics of style codes and of the estimator's readings of their pictures.

    low, high: the 1st and 99th percentile of every flat parameter, which bound what an edit may ask for in training.
    """

    styles: ParamStatistics
    params: ParamStatistics
    low: Float[Tensor, " total"]
    high: Float[Tensor, " total"]


@torch.no_grad()
def read_codes(
    generator: Generator, estimator: Reconstructor, samples: int, seed: int = 0
) -> tuple[Float[Tensor, "samples style_dim"], Float[Tensor, "samples total"]]:
    """Random codes, and the flat parameters that the estimator reads off their pictures."""
    styles, flats = [], []
    for start in range(0, samples, MEASURE_BATCH):
        s = mixed_styles(generator, min(MEASURE_BATCH, samples - start), torch.Generator().manual_seed(seed * 1_000_003 + start))
        styles.append(s)
        flats.append(estimator(generator.synthesise(s)).flatten())
    return torch.cat(styles), torch.cat(flats)


@torch.no_grad()
def measure_population(generator: Generator, estimator: Reconstructor, samples: int, seed: int = 0) -> Population:
    """Draw codes and pictures, read them, and measure."""
    s, flat = read_codes(generator, estimator, samples, seed)
    low, high = torch.quantile(flat, torch.tensor([0.01, 0.99], device=flat.device), dim=0).unbind(0)
    return Population(ParamStatistics.measure(s), ParamStatistics.measure(flat), low, high)


def restored(network: nn.Module, standard: Float[Tensor, "batch total"]) -> FaceParams:
    """A network's standardised parameters in raw units (`network` has a layout and a `Standardiser` named statistics)."""
    return FaceParams.unflatten(network.layout, network.statistics.restore(standard))
