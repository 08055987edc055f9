"""Are made pictures as fine, as sharp and as busy as true ones? What a network's feature maps tell of that, and the picture
itself, as three losses.

Of hair, skin or leaves a picture rightly shows no single strand where it is in doubt, and the mean of all doubts is smooth. What is known
without a doubt is that there are strands, and where: each feature map's deviation in small windows of the picture, which says how much
goes on there, and not what lies where. `busyness_loss` compares it with the true picture's, window by window. (stylespace.grain asks the
same of the picture itself, which maps see in part, and in which direction it runs. Where no strand is known, a generator combs them out of
its noise pictures; without these it hatches hair along rows and columns.)

Over whole pictures means and deviations are what neural style transfer matches (Huang and Belongie 2017, "Arbitrary style transfer in
real-time with adaptive instance normalization", section 5). As in domains.crowd, `Textures` asks that these numbers, of the finest map to
the coarsest, vary over many pictures as they do over true ones, and draws each picture to where the optimal transport sends its own; here
each number by itself:

    T(f) = μ_true + σ_true / σ_made · (f − μ_made).

Textures alone scratch foreheads: what is busy may then be anywhere. Beside the maps stands the picture itself, in `patches`: what is in
doubt is drawn in the mean of its colours too, and a crowd is then paler than it should be, here lighter and there darker.

What is in doubt is drawn neither flat nor sharp: everything a little uneven, and no outline as strong as it should be. Deviations hardly
tell a background that is flat from one that is nearly so. `flatness_loss` does: it compares pictures' mean logarithms of slopes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from domains.crowd import RIDGE, share_of, trust_of
from stylespace.grain import SLIGHT, busyness, slopes

WINDOWS = 8
"""Windows along a feature map's side; as many again lie between them."""

PATCHES = 8
"""Patches along a picture's side."""

FLAT = 0.03
"""Added to slopes before their logarithms: four steps of 8 bits, less than which hardly shows."""

Maps = Sequence[Float[Tensor, "batch _ _ _"]]
"""Feature maps of the same pictures, level by level."""


class Textures(nn.Module):
    """Follows the textures of made and true pictures. channels: of each level's feature map."""

    made_mean: Tensor
    true_mean: Tensor
    made_square: Tensor
    true_square: Tensor
    pictures: Tensor

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        self.sizes = [2 * count for count in channels]
        for kind in ("made", "true"):
            self.register_buffer(f"{kind}_mean", torch.zeros(sum(self.sizes)))
            self.register_buffer(f"{kind}_square", torch.zeros(sum(self.sizes)))
        self.register_buffer("pictures", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, made: Maps, true: Maps) -> None:
        """Take in a batch of both."""
        share = share_of(len(made[0]), int(self.pictures))
        self.pictures += len(made[0])
        for kind, maps in (("made", made), ("true", true)):
            numbers = texture(maps)
            getattr(self, f"{kind}_mean").lerp_(numbers.mean(dim=0), share)
            getattr(self, f"{kind}_square").lerp_(numbers.square().mean(dim=0), share)

    def forward(self, made: Maps) -> Float[Tensor, ""]:
        """Mean over levels of the mean |f − T(f)|² over the true numbers' variance, T(f) without a gradient, times `trust_of` the
        pictures seen."""
        trust = trust_of(int(self.pictures))
        if not trust:
            return made[0].new_zeros(())
        numbers = texture(made)
        made_variance, true_variance = (self._variance(kind) for kind in ("made", "true"))
        sent = self.true_mean + (numbers.detach() - self.made_mean) * (true_variance / made_variance).sqrt()
        distances = (numbers - sent).square().mean(dim=0).split(self.sizes)
        whole = true_variance.split(self.sizes)
        return trust * torch.stack([distance.sum() / variance.sum() for distance, variance in zip(distances, whole, strict=True)]).mean()

    def _variance(self, kind: str) -> Float[Tensor, " numbers"]:
        """With the ridge: of each level's mean variance of true numbers."""
        variances = {name: getattr(self, f"{name}_square") - getattr(self, f"{name}_mean").square() for name in ("made", "true")}
        ridges = [RIDGE * level.mean().expand(len(level)) for level in variances["true"].split(self.sizes)]
        return variances[kind].clamp_min(0.0) + torch.cat(ridges)


def patches(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels patch_height patch_width"]:
    """Every patch of a picture as channels of its own, one for each colour: their means are the picture at low resolution."""
    cut = images.unflatten(3, (PATCHES, -1)).unflatten(2, (PATCHES, -1))
    return cut.permute(0, 1, 2, 4, 3, 5).flatten(1, 3)


def texture(maps: Maps) -> Float[Tensor, "batch numbers"]:
    """The mean over the picture of every channel of each map, then the channels' deviations."""
    parts = [part for x in maps for part in (x.mean(dim=(2, 3)), (x.var(dim=(2, 3), correction=0) + SLIGHT).sqrt())]
    return torch.cat(parts, dim=1)


def busyness_loss(made: Maps, true: Maps) -> Float[Tensor, ""]:
    """Mean over the finest maps (down to half of the largest one's side) of the mean difference of busyness, relative to the true one's."""
    least = max(x.shape[2] for x in true) // 2
    pairs = [tuple(busyness(x, WINDOWS) for x in maps) for maps in zip(made, true, strict=True) if maps[1].shape[2] >= least]
    return torch.stack([(one - other).abs().mean() / other.mean() for one, other in pairs]).mean()


def flatness_loss(made: Float[Tensor, "batch 3 height width"], true: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, ""]:
    """Mean difference of the mean logarithms of slopes, in each direction and channel, at full and at half resolution."""
    losses = []
    for _ in range(2):
        one, other = ((slopes(x).abs() + FLAT).log().mean(dim=(2, 3)) for x in (made, true))
        losses.append((one - other).abs().mean())
        made, true = functional.avg_pool2d(made, 2), functional.avg_pool2d(true, 2)
    return torch.stack(losses).mean()
