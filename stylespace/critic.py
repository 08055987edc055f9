"""A discriminator of small parts of pictures, which compares every part with the true one in its place.

Convolutions alone, so that each score is about a part of the picture (PatchGAN: Isola et al. 2017, "Image-to-image translation with
conditional adversarial networks"): how hair, lids and borders look, not who is shown. What is made and what is true come in pairs, so the
critic says by how much a part looks truer than the made one of the same place (relativistic pairing: Jolicoeur-Martineau 2018), and what
the picture shows there, which is the same in both, drops out. Spectral normalisation (Miyato et al. 2018) keeps it from running away.

It sees pictures at half their resolution. At the full one it won by single strands of hair, which our generator cannot draw, and the
generator's answer to it was thin lines around heads.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 3.0
"""What scores are multiplied by: a normalised critic is too flat to be sure of anything."""

Scores = Float[Tensor, "batch 1 rows columns"]


class PatchCritic(nn.Module):
    """Pictures [batch, 3, R, R], R a multiple of 8 → scores of overlapping parts of 60 pixels a side, one in every 8; higher is truer.
    width: of the first of four layers; the last two have four times as many maps."""

    def __init__(self, width: int = 32):
        super().__init__()
        parts: list[nn.Module] = []
        for inputs, outputs, stride in ((3, width, 2), (width, 2 * width, 1), (2 * width, 4 * width, 2), (4 * width, 4 * width, 1)):
            kernel = 4 if stride == 2 else 3
            parts += [spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=1)), nn.LeakyReLU(0.2)]
        parts.append(spectral_norm(nn.Conv2d(4 * width, 1, 3, padding=1)))
        self.layers = nn.Sequential(*parts).to(memory_format=torch.channels_last)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Scores:
        return SLOPE * self.layers(functional.avg_pool2d(images, 2).contiguous(memory_format=torch.channels_last))


def critic_loss(true: Scores, made: Scores) -> Float[Tensor, ""]:
    """−log σ(D(true) − D(made)), the mean over all places; log 2 for a critic that knows nothing."""
    return functional.softplus(made - true).mean()


def fooling_loss(true: Scores, made: Scores) -> Float[Tensor, ""]:
    """−log σ(D(made) − D(true)), the generator's."""
    return functional.softplus(true - made).mean()
