"""(Picture, facts) → w: what a network sees of a picture, at fixed length, and a linear part for what is known of it.

Facts are numbers that say part of what a picture shows: of a portrait, the parameters of its face. Where a training knows them exactly and
tells the encoder those of the picture that it wants, with another picture of the same scene to look at, what facts say comes to be written
in the linear part and nowhere else: w then answers to a change of facts by a known step, in any code. (Two ways into one latent space, by
pictures and by parameters: Kowalski et al. 2020, CONFIG; a generator that is told a morphable model's parameters: Deng et al. 2020,
DiscoFaceGAN. There a network maps parameters into the space; here the map is linear, so that changes need no code to start from.)

The trunk has the architecture of a network that reads faces (stylespace.trunks), so it can start from one: what a face is need not be
learned twice. A trunk of equalised layers like the discriminator's costs twice as much and learns far less in as many pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylespace.trunks import build_trunk, fitted

TOLD_SPREAD = 0.06
"""Standard deviation, at first, of the numbers that one deviation of a fact adds to w. A generator learns to answer to a direction of w the
faster the further codes differ along it, whatever the direction: from 0, facts took many times as many pictures to be heard."""


class Told(nn.Module):
    """Standardised facts → their part of w, linearly: each in a random direction at first."""

    def __init__(self, facts: int, w_dim: int):
        super().__init__()
        self.weight = nn.Parameter(TOLD_SPREAD * torch.randn(w_dim, facts))

    def forward(self, facts: Float[Tensor, "batch facts"]) -> Float[Tensor, "batch w_dim"]:
        return functional.linear(facts, self.weight)


class Encoder(nn.Module):
    """Picture in [−1, 1] of any size (resized, antialiased), and its facts → w, one vector per picture.

    resolution: a power of two from 8. width: channels of the first level, a multiple of 8. hidden: width of the layer before the last.
    facts: how many numbers are told of each picture; 0 for none. They are standardised here (`measure`).
    """

    def __init__(
        self, resolution: int, w_dim: int = 512, width: int = 32, hidden: int = 512, architecture: str = "residual", facts: int = 0
    ):
        super().__init__()
        self.arguments: dict[str, Any] = {
            "resolution": resolution, "w_dim": w_dim, "width": width, "hidden": hidden, "architecture": architecture, "facts": facts,
        }  # fmt: skip
        self.resolution, self.facts = resolution, facts
        self.trunk, numbers = build_trunk(architecture, resolution, width)
        self.neck = nn.Sequential(nn.Flatten(), nn.Linear(numbers, hidden), nn.SiLU())
        self.out = nn.Linear(hidden, w_dim)
        self.told = Told(facts, w_dim)
        self.register_buffer("mean", torch.zeros(facts))
        self.register_buffer("deviation", torch.ones(facts))
        self.trunk.to(memory_format=torch.channels_last)

    def measure(self, mean: Float[Tensor, " facts"], deviation: Float[Tensor, " facts"]) -> None:
        """Facts are told in these deviations from this mean."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    @torch.no_grad()
    def split(self, w: Float[Tensor, "n w_dim"], facts: Float[Tensor, "n facts"]) -> None:
        """Set the linear part to what these codes already say of their pictures' facts (least squares), for a generator that was told
        nothing so far and draws by them; directions shorter than those of a new encoder are stretched to their length."""
        standard = (facts - self.mean) / self.deviation
        found = torch.linalg.lstsq(standard, w - w.mean(dim=0)).solution.T
        length = found.square().mean(dim=0).sqrt()
        self.told.weight.copy_(found * (TOLD_SPREAD / length.clamp_min(1e-8)).clamp_min(1.0))

    def seen(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch w_dim"]:
        """w but for what is told; of mean square 1, so that neither it nor the generator behind it can drift in scale."""
        w = self.out(self.neck(self.trunk(fitted(image, self.resolution))))
        return w * (w.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()

    def step(self, change: Float[Tensor, "batch facts"]) -> Float[Tensor, "batch w_dim"]:
        """How w changes where facts change by this much."""
        return self.told(change / self.deviation)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"], facts: Float[Tensor, "codes facts"]
    ) -> Float[Tensor, "codes w_dim"]:
        """facts: one row for each picture, or several rounds of such rows, for several codes of each."""
        return self.seen(image).repeat(len(facts) // len(image), 1) + self.step(facts - self.mean)
