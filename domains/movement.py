"""Pictures seen from a little beside, or in a mirror: who compares them sees with other eyes every time.

What is lowered by one network's features is soon nothing to that network, as it looks at that moment: between toons that had learned by
crowds, the distance of means was a quarter of what the judge saw, but three pixels further as large. Made and true pictures are therefore
moved alike, another way in each step, before they are compared (as StyleGAN2-ADA does with what its discriminator sees; Karras et al.
2020b, "Training generative adversarial networks with limited data").
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

FAR = 32
"""A picture moves by at most one part in so many of its side, in each direction."""


class Movement(NamedTuple):
    """How many pixels down and to the right a picture moves, its outermost pixels again behind it; mirrored after that, or not."""

    down: int
    right: int
    mirrored: bool

    @staticmethod
    def drawn(side: int, generator: torch.Generator) -> Movement:
        """A random one, for pictures of so many pixels a side."""
        far = side // FAR
        down, right = torch.randint(-far, far + 1, (2,), generator=generator).tolist()
        return Movement(down, right, bool(torch.rand((), generator=generator) < 0.5))

    def __call__(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        height, width = images.shape[2:]
        far = max(abs(self.down), abs(self.right))
        beyond = functional.pad(images, (far,) * 4, mode="replicate")
        top, left = far - self.down, far - self.right
        moved = beyond[:, :, top : top + height, left : left + width]
        return moved.flip(3) if self.mirrored else moved.contiguous()
