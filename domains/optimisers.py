"""Learning rates that remember their base, so that a schedule is a factor."""

from __future__ import annotations

import torch

ADAM = {"betas": (0.0, 0.99), "eps": 1e-8}
"""StyleGAN2's: no first moment, since the opponent moves."""


def parameter_group(parameters: list[torch.nn.Parameter], rate: float) -> dict[str, object]:
    """An optimiser's parameter group that remembers its full rate as `base`."""
    return {"params": parameters, "lr": rate, "base": rate}


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its base rate times a factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor
