"""Picture → style code: the encoder's guess, then optimisation, first of one w, then of an offset per layer.

The order is PIE's (Tewari et al. 2020): a picture that is lifted to w+ too early is matched by codes far from what the generator was
trained on, and those edit badly. Both phases are held near the encoder's code by a pull measured in the generator's own deviation of w.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylespace.generator import Generator
from stylespace.grain import grain_losses
from stylespace.objectives import picture_losses

W_SHARE = 0.4
"""Share of the steps that optimise one w; the others optimise an offset per layer."""

RATE_W, RATE_OFFSETS = 0.15, 0.06
"""Adam's learning rates at the start of each phase, in deviations of w."""

ELSEWHERE = 0.5
"""How far from the encoder's code to the optimised one generators of other domains go. What optimisation adds, to match a picture that no
code of the generator's draws, means something to that generator alone; to others it is blotches of colour."""


FEATURE_WEIGHT, GRAIN_WEIGHT = 0.3, 0.3
"""Of features and of stylespace.grain's loss beside the picture loss's 1."""


class Target:
    """Pictures that are to be drawn, and how far others are from each. features: image → [batch, features], compared relative to the
    target's length. grain_weight: without grain what is in doubt comes out blurred."""

    def __init__(
        self, image: Float[Tensor, "batch 3 height width"], features: Callable[[Tensor], Tensor] | None, grain_weight: float = GRAIN_WEIGHT
    ):
        self.image, self.features, self.grain_weight = image, features, grain_weight
        with torch.no_grad():
            self.seen = None if features is None else features(image)

    def losses(self, made: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
        total = picture_losses(made, self.image) + self.grain_weight * grain_losses(made, self.image)
        if self.features is not None:
            total = total + FEATURE_WEIGHT * _relative_distance(self.features(made), self.seen)
        return total


@dataclass(frozen=True)
class Inversion:
    """The style code of a picture. elsewhere: that which generators of other domains draw it by. image: what the generator makes of it.
    loss: picture loss of each picture at the end."""

    s: Float[Tensor, "batch style_dim"]
    elsewhere: Float[Tensor, "batch style_dim"]
    w_plus: Float[Tensor, "batch num_ws w_dim"]
    image: Float[Tensor, "batch 3 height width"]
    loss: Float[Tensor, " batch"]


def invert(
    generator: Generator,
    encode: Callable[[Tensor], Tensor],
    image: Float[Tensor, "batch 3 height width"],
    steps: int = 150,
    features: Callable[[Tensor], Tensor] | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
    grain_weight: float = GRAIN_WEIGHT,
    pull_w: float = 0.1,
    pull_offsets: float = 1.0,
) -> Inversion:
    """Invert aligned pictures in [−1, 1]; every picture is treated as if it were alone. Same input, same code: nothing is random.

    encode: pictures → w [batch, w_dim], the guess that is returned for 0 steps. features, grain_weight: see `Target`. on_step: called
    with the number of steps done and the mean loss (a tensor; reading it waits for the device). pull_w, pull_offsets: weights of mean
    squares in deviations of w. A tenth of them comes hardly nearer to the picture, and edits hardly nearer to the truth; other domains'
    photographs lost their eyes by it.
    """
    if image.shape[2:] != (generator.resolution, generator.resolution):
        size = "×".join(str(side) for side in image.shape[2:])
        raise ValueError(f"the picture has {size} pixels where the generator makes {generator.resolution} px; align it first")
    with torch.no_grad():
        guess = encode(image)
    target = Target(image, features, grain_weight)
    deviation = _deviation_of_w(generator)
    w = torch.zeros_like(guess, requires_grad=True)
    offsets = torch.zeros(image.shape[0], generator.num_ws, guess.shape[1], device=guess.device, requires_grad=True)

    def w_plus() -> Tensor:
        return (guess + deviation * w)[:, None] + deviation * offsets

    def losses() -> Tensor:
        made = generator.synthesise(generator.styles(w_plus()))
        return target.losses(made) + pull_w * w.square().mean(dim=1) + pull_offsets * offsets.square().mean(dim=(1, 2))

    first = round(steps * W_SHARE)
    for variables, rate, start, stop in (([w], RATE_W, 0, first), ([w, offsets], RATE_OFFSETS, first, steps)):
        _descend(losses, variables, rate, start, stop, on_step)
    with torch.no_grad():
        s = generator.styles(w_plus())
        made = generator.synthesise(s)
        encoded = generator.styles(generator.broadcast(guess))
        return Inversion(s, torch.lerp(encoded, s, ELSEWHERE), w_plus(), made, picture_losses(made, image))


@torch.no_grad()
def _deviation_of_w(generator: Generator, samples: int = 512) -> Float[Tensor, ""]:
    """Root of the mean variance of w over fixed z: the unit in which steps and pulls are measured."""
    z = torch.randn(samples, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return generator.map(z.to(generator.w_avg.device)).var(dim=0).mean().sqrt()


def _relative_distance(a: Float[Tensor, "batch features"], b: Float[Tensor, "batch features"]) -> Float[Tensor, " batch"]:
    return (a - b).square().sum(dim=1) / (b.square().sum(dim=1) + 1e-8)


def _descend(
    losses: Callable[[], Tensor],
    variables: list[Tensor],
    rate: float,
    start: int,
    stop: int,
    on_step: Callable[[int, Tensor], None] | None,
) -> None:
    """Adam with a cosine rate. The sum over pictures keeps them apart, since Adam works number by number."""
    optimizer = torch.optim.Adam(variables, lr=rate, betas=(0.9, 0.99))
    for step in range(start, stop):
        optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * (step - start) / (stop - start)))
        with torch.enable_grad():
            loss = losses()
            gradients = torch.autograd.grad(loss.sum(), variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = gradient
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, loss.detach().mean())
