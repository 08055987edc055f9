"""Going on from a smaller generator: what it knows, in one of higher resolution."""

from __future__ import annotations

import torch

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
