"""Going on from smaller networks: what an earlier generator or encoder knows, in one of higher resolution."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from stylespace.encoder import Encoder
from stylespace.generator import Generator


@torch.no_grad()
def continue_generator(generator: Generator, earlier: Generator) -> list[str]:
    """Take over every tensor of the same name and shape (all of synthesis up to the earlier resolution, where widths are the same).

    Returns the names of parameters that are new.
    """
    return _take_over(generator, dict(earlier.state_dict()))


@torch.no_grad()
def continue_encoder(encoder: Encoder, earlier: Encoder) -> list[str]:
    """Take over the blocks below the earlier resolution; what stands before them is new. Returns the names of parameters that are new."""
    shift = len(encoder.blocks) - len(earlier.blocks)
    if shift < 0:
        raise ValueError(f"an encoder of {earlier.resolution} px cannot be continued at {encoder.resolution} px; give the same or more")
    known = {
        re.sub(r"^blocks\.(\d+)", lambda match: f"blocks.{int(match[1]) + shift}", name): tensor
        for name, tensor in earlier.state_dict().items()
        if shift == 0 or not name.startswith("fromrgb")
    }
    return _take_over(encoder, known)


def _take_over(network: nn.Module, known: dict[str, Tensor]) -> list[str]:
    own = network.state_dict()
    shared = {name: tensor for name, tensor in known.items() if name in own and own[name].shape == tensor.shape}
    network.load_state_dict(shared, strict=False)
    return [name for name, _ in network.named_parameters() if name not in shared]
