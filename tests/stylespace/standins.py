"""Small generators that noise shows in, and codes for them."""

import torch

from stylespace.generator import Generator

SMALL = {"z_dim": 8, "w_dim": 12, "channel_base": 128, "channel_max": 16, "mapping_layers": 2}


@torch.no_grad()
def noisy(generator: Generator) -> Generator:
    """With a strength of all its noise pictures, and nothing to be trained."""
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    return generator.requires_grad_(False)


def codes(generator: Generator, batch: int = 3, seed: int = 1) -> torch.Tensor:
    """Style codes of random z."""
    z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    return generator.styles(generator.broadcast(generator.map(z)))
