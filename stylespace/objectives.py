"""What StyleGAN2 is trained with (Karras et al. 2020), and the multi-scale picture loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


def generator_loss(fake_scores: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Non-saturating logistic loss: −log σ(D(fake))."""
    return functional.softplus(-fake_scores).mean()


def discriminator_loss(real_scores: Float[Tensor, " batch"], fake_scores: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """−log σ(D(real)) − log(1 − σ(D(fake)))."""
    return functional.softplus(-real_scores).mean() + functional.softplus(fake_scores).mean()


def r1_penalty(
    discriminator: Callable[[Tensor], Tensor], images: Float[Tensor, "batch 3 height width"], gamma: float
) -> Float[Tensor, ""]:
    """γ/2 · E‖∇D(real)‖² (Mescheder et al. 2018), with a graph. Multiply by the interval when it is applied lazily."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() * (gamma / 2)


def picture_loss(
    a: Float[Tensor, "batch 3 height width"],
    b: Float[Tensor, "batch 3 height width"],
    smallest: int = 8,
    edges: float = 1.0,
    weight: Float[Tensor, "*_ height width"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over an average-pooling pyramid of L1 + edges · L1 of neighbour differences.

    Stands where perceptual features usually stand. Coarse levels give a gradient when features are displaced, differences punish blur.
    Levels go down to `smallest` px. weight: how much each pixel counts, 1 on average.
    """
    return picture_losses(a, b, smallest, edges, weight).mean()


def picture_losses(
    a: Float[Tensor, "batch 3 height width"],
    b: Float[Tensor, "batch 3 height width"],
    smallest: int = 8,
    edges: float = 1.0,
    weight: Float[Tensor, "*_ height width"] | None = None,
) -> Float[Tensor, " batch"]:
    """`picture_loss` of every picture."""
    difference = a - b
    if weight is not None:
        difference = difference * weight.to(difference.device)
    total, levels = difference.new_zeros(difference.shape[0]), 0
    while levels == 0 or min(difference.shape[2:]) >= smallest:
        total = total + difference.abs().mean(dim=(1, 2, 3))
        across = difference[:, :, :, 1:] - difference[:, :, :, :-1]
        along = difference[:, :, 1:] - difference[:, :, :-1]
        total = total + edges * (across.abs().mean(dim=(1, 2, 3)) + along.abs().mean(dim=(1, 2, 3)))
        difference = functional.avg_pool2d(difference, 2)
        levels += 1
    return total / levels


LEAST_CHANGE = 0.1
"""Of a batch's mean change: what is added to a pair's own before it divides, so that noise does not count where nothing changed."""


def left(missing: Float[Tensor, " batch"], whole: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """What is missing of changes, each against its own whole, so that turning heads do not drown closing eyes: 0 for the changes
    themselves, 1 for doing nothing. Nothing where nothing was to change."""
    scale = (whole + LEAST_CHANGE * whole.mean()).detach()
    scale = torch.where(scale > 0, scale, torch.inf)
    return (missing / scale).mean() / (whole / scale).mean().detach().clamp_min(torch.finfo(whole.dtype).tiny)


def halves_apart(values: Float[Tensor, "batch *_"]) -> Float[Tensor, "pairs *_"]:
    """The batch's second half less its first."""
    first, second = values.chunk(2)
    return second - first


def change_left(
    made: Float[Tensor, "batch 3 height width"], wanted: Float[Tensor, "batch 3 height width"],
    weight: Float[Tensor, "batch 1 height width"] | None = None, smallest: int = 8,
) -> Float[Tensor, ""]:  # fmt: skip
    """`left` of the changes from a batch's first half to its second, squared, over an average-pooling pyramid down to `smallest` px. What
    is wrong with both of a pair alike does not count. weight: how much pixels count."""
    change, lacking = halves_apart(wanted), halves_apart(made) - halves_apart(wanted)
    if weight is not None:
        mean = (weight.chunk(2)[0] + weight.chunk(2)[1]) / 2
        change, lacking = change * mean, lacking * mean
    missing = whole = 0.0
    while True:
        missing, whole = missing + lacking.square().flatten(1).mean(dim=1), whole + change.square().flatten(1).mean(dim=1)
        if min(change.shape[2:]) // 2 < smallest:
            return left(missing, whole)
        change, lacking = functional.avg_pool2d(change, 2), functional.avg_pool2d(lacking, 2)


def feature_loss(seen: Sequence[Float[Tensor, "batch *_"]], wanted: Sequence[Float[Tensor, "batch *_"]]) -> Float[Tensor, ""]:
    """Mean over levels of the L1 distance, relative to the mean size of what is wanted: the same scale for every network."""
    levels = [(a - b).abs().mean() / b.detach().abs().mean() for a, b in zip(seen, wanted, strict=True)]
    return torch.stack(levels).mean()


MIDDLE_WIDTH = 0.42
"""Standard deviation of `middle_weight`, in halves of the picture's side."""


def middle_weight(resolution: int, more: float) -> Float[Tensor, "resolution resolution"]:
    """1 + more · a Gaussian about the picture's middle, where an aligned portrait has its face; over its mean."""
    axis = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    bump = torch.exp(-(axis / MIDDLE_WIDTH).square() / 2)
    weight = 1 + more * bump[:, None] * bump[None, :]
    return weight / weight.mean()


@torch.no_grad()
def ema_update(target: nn.Module, source: nn.Module, beta: float) -> None:
    """target ← β target + (1 − β) source for parameters; buffers are copied."""
    averaged, current = list(target.parameters()), list(source.parameters())
    torch._foreach_lerp_(averaged, current, 1.0 - beta)
    for kept, fresh in zip(target.buffers(), source.buffers(), strict=True):
        kept.copy_(fresh)
