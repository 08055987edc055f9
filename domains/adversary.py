"""What both adversarial stages share: learning rates that remember their base, and the discriminator's step with lazy R1."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from stylespace.discriminator import Discriminator
from stylespace.objectives import discriminator_loss, r1_penalty

R1_INTERVAL = 16

ADAM = {"betas": (0.0, 0.99), "eps": 1e-8}
"""StyleGAN2's: no first moment, since the opponent moves."""


def parameter_group(parameters: list[torch.nn.Parameter], rate: float) -> dict[str, object]:
    """An optimiser's parameter group that remembers its full rate as `base`."""
    return {"params": parameters, "lr": rate, "base": rate}


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its base rate times a factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor


def discriminator_step(
    discriminator: Discriminator,
    optimizer: torch.optim.Optimizer,
    reals: Float[Tensor, "batch 3 height width"],
    fakes: Float[Tensor, "batch 3 height width"],
    index: int,
    gamma: float,
) -> dict[str, Tensor | float]:
    """One step on pictures of both kinds; every `R1_INTERVAL` steps (index counts them) with R1 times the interval."""
    discriminator.requires_grad_(True)
    optimizer.zero_grad(set_to_none=True)
    real_scores, fake_scores = discriminator(reals), discriminator(fakes)
    loss = discriminator_loss(real_scores, fake_scores)
    loss.backward()
    metrics: dict[str, Tensor | float] = {
        "discriminator": loss,
        "real_sign": real_scores.sign().mean(),
        "fake_sign": fake_scores.sign().mean(),
    }
    if index % R1_INTERVAL == 0:
        metrics["r1"] = r1_penalty(discriminator, reals, gamma)
        (metrics["r1"] * R1_INTERVAL).backward()
    optimizer.step()
    return metrics
