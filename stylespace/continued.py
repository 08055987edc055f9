"""Going on from an earlier generator: what it knows, in one of higher resolution, with more feature maps or with another border."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stylespace.generator import Generator


@torch.no_grad()
def continue_generator(generator: Generator, earlier: Generator) -> list[str]:
    """Take over every tensor of the same name: all of synthesis up to the earlier resolution, and the mapping where it is of the same
    shape. Where the earlier one has fewer feature maps, they come first and do not read the added ones, so it draws what it drew.

    Returns the names of parameters that are new, wholly or in part.
    """
    known, own = earlier.state_dict(), generator.state_dict()
    taken = {name: known[name] for name, tensor in own.items() if name in known and known[name].shape == tensor.shape}
    wider = {
        name: _widened(own[name], known[name])
        for name in known.keys() & own.keys() - taken.keys()
        if name.startswith("synthesis.") and all(more >= less for more, less in zip(own[name].shape, known[name].shape, strict=True))
    }
    generator.load_state_dict(taken | wider, strict=False)
    return [name for name, _ in generator.named_parameters() if name not in taken]


def bordered(generator: Generator, replicate_from: int | None) -> Generator:
    """The same generator with another border (stylespace.border), frozen and in evaluation mode."""
    other = Generator(**(generator.arguments | {"replicate_from": replicate_from})).to(generator.w_avg.device)
    other.load_state_dict(generator.state_dict())
    return other.eval().requires_grad_(False)


def _widened(fresh: Tensor, earlier: Tensor) -> Tensor:
    """The earlier tensor in the corner of the fresh one. Of a convolution, what it gave reads nothing of what is added, and where weights
    are not demodulated (1 × 1) they make up for the gain of a larger fan-in."""
    whole = fresh.clone()
    outputs = len(earlier)
    if earlier.dim() < 4:
        whole[:outputs] = earlier
        return whole
    more, less = fresh.shape[1], earlier.shape[1]
    whole[:outputs, less:] = 0.0
    whole[:outputs, :less] = earlier * math.sqrt(more / less) if earlier.shape[2] == 1 else earlier
    return whole


def fade_in(generator: Generator, drawn: int) -> None:
    """Colours of blocks above `drawn` px start at zero, so that what these add to a picture is nothing at first (what the fade of Karras
    et al. 2018 is for)."""
    for layer in generator.style_layout.layers:
        if layer.is_torgb and layer.resolution > drawn:
            nn.init.zeros_(generator.synthesis.get_submodule(layer.name).weight)
