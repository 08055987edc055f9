"""What is worn, read off the estimator's last feature grids by logistic regression, when both looks have learned what they will learn.

Glasses lie at one place of a face that is laid straight, and hats at one place of a portrait, so maps of what is seen there are enough,
though nobody asked for this when they were trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.data import Pool
from cddfm.reconstruct import Reconstructor
from cddfm.report import progress_bar
from cddfm.stages.augment import Strength, Warp, degrade

STRENGTH = Strength(noise=0.03, coarse=0.05, cover=0.1)
"""How pictures are altered, each once: less than for those who read faces, for rims are thin."""

DECAYS = (3e-4, 1e-3, 3e-3, 1e-2)
"""Weights of ‖weight‖² that are tried."""

HELD_OUT = 0.15
"""Of the pictures, how many tell which is best."""

STEPS = 60
"""Of L-BFGS, at most."""

BATCH = 64


@dataclass(frozen=True)
class Fit:
    """decay: the weight of ‖weight‖² that did best on held-out pictures. explained: the share of each number's variance that is read right
    in these."""

    decay: float
    explained: list[float]


@torch.no_grad()
def seen_grids(
    network: Reconstructor, pool: Pool, worn: Float[Tensor, "some worn"], seed: int
) -> tuple[Float[Tensor, "many numbers"], Float[Tensor, "many worn"]]:
    """Both grids of the first pictures as they are, then altered (and mirrored or not), in half precision; and what is worn in them."""
    randomness = torch.Generator().manual_seed(seed)
    grids: tuple[list[Tensor], list[Tensor]] = [], []
    with progress_bar("what is worn", total=len(worn), completed=0) as advance:
        for rows in torch.arange(len(worn)).split(BATCH):
            images, _ = pool.take(rows)
            mirrored = (torch.rand(len(rows), 1, 1, 1, generator=randomness) < 0.5).to(images.device)
            warp = Warp.draw(len(rows), randomness, STRENGTH, images.device)
            altered = degrade(warp.images(torch.where(mirrored, images.flip(3), images)), randomness, STRENGTH)
            for kept, some in zip(grids, (images, altered), strict=True):
                grid, close_grid, _ = network.grids(some)
                kept.append(torch.cat([grid.flatten(1), close_grid.flatten(1)], dim=1).half())
            advance(int(rows[-1]) + 1, {})
    return torch.cat([torch.cat(kept) for kept in grids]), worn.repeat(2, 1)


def fit_worn(network: Reconstructor, grids: Float[Tensor, "many numbers"], worn: Float[Tensor, "many worn"]) -> Fit:
    """Set the network's head by these pictures. grids: of `seen_grids`, of whose either half the last few are held out."""
    half = len(grids) // 2
    kept = (torch.arange(len(grids)) % half < half * (1 - HELD_OUT)).to(grids.device)
    inputs = grids.float()
    mean, deviation = inputs[kept].mean(dim=0), inputs[kept].std(dim=0) + 1e-3
    inputs = (inputs - mean) / deviation
    tried = []
    for decay in DECAYS:
        weight, bias = _logistic(inputs[kept], worn[kept], decay)
        logits = inputs[~kept] @ weight.T + bias
        tried.append((float(functional.binary_cross_entropy_with_logits(logits, worn[~kept])), decay, weight, bias, logits.sigmoid()))
    _, decay, weight, bias, found = min(tried, key=lambda trial: trial[0])
    with torch.no_grad():
        network.worn.out.weight.copy_(weight / deviation)
        network.worn.out.bias.copy_(bias - (weight / deviation) @ mean)
    missed = (found - worn[~kept]).square().mean(dim=0) / worn[~kept].var(dim=0, correction=0).clamp_min(1e-8)
    return Fit(decay, (1 - missed).tolist())


def _logistic(
    inputs: Float[Tensor, "n numbers"], worn: Float[Tensor, "n worn"], decay: float
) -> tuple[Float[Tensor, "worn numbers"], Float[Tensor, " worn"]]:
    """Weight and bias of least cross entropy, of shares as of chances."""
    share = worn.mean(dim=0).clamp(1e-4, 1 - 1e-4)
    weight = inputs.new_zeros(worn.shape[1], inputs.shape[1], requires_grad=True)
    bias = share.logit().clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(functional.linear(inputs, weight, bias), worn) + decay * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach(), bias.detach()
