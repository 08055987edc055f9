"""Going on from a smaller generator: what it knows, in one of higher resolution."""

from __future__ import annotations

import torch
from torch import nn

from stylespace.generator import Generator


@torch.no_grad()
def continue_generator(generator: Generator, earlier: Generator) -> list[str]:
    """Take over every tensor of the same name and shape (all of synthesis up to the earlier resolution, where widths are the same).

    Returns the names of parameters that are new.
    """
    known = earlier.state_dict()
    shared = {name: known[name] for name, tensor in generator.state_dict().items() if name in known and known[name].shape == tensor.shape}
    generator.load_state_dict(shared, strict=False)
    return [name for name, _ in generator.named_parameters() if name not in shared]


def fade_in(generator: Generator, drawn: int) -> None:
    """Colours of blocks above `drawn` px start at zero, so that what these add to a picture is nothing at first (what the fade of Karras
    et al. 2018 is for)."""
    for layer in generator.style_layout.layers:
        if layer.is_torgb and layer.resolution > drawn:
            nn.init.zeros_(generator.synthesis.get_submodule(layer.name).weight)
