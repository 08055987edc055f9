"""What convolutions read beyond the border of a picture: zeros, as in StyleGAN2, or its outermost pixels again.

Zeros are how a generator knows where it draws: low resolutions need them. In the finest ones they show, as a frame of a few pixels that no
3 × 3 kernel can undo for every face. There, operators are given a pixel more on every side, which is cut off from what they give.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops.layout import format_of
from cuda_ops.upfirdn2d import upsample2d

PIXELS = 1
"""That a 3 × 3 convolution reads beyond the border, and an upsampling one with its FIR, or `upsample2d`, of the smaller picture."""


def replicated(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels out_height out_width"]:
    """`PIXELS` more on every side."""
    return functional.pad(x, (PIXELS,) * 4, mode="replicate")


def within(y: Float[Tensor, "batch channels height width"], up: int) -> Float[Tensor, "batch channels out_height out_width"]:
    """What an operator that enlarges `up` times made of a replicated picture, without what belongs to the added pixels."""
    cut = slice(up * PIXELS, -up * PIXELS)
    return y[:, :, cut, cut].contiguous(memory_format=format_of(y))


def upsampled(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels out_height out_width"]:
    """`upsample2d` of a picture that goes on beyond its border."""
    return within(upsample2d(replicated(x)), 2)
