"""StyleGAN2's modulated convolution (Karras et al. 2020, equations 1 and 3) and the two kinds of layer made of it.

Contract: the weight of each sample is `w[o,i,k] · s[i]`, and with demodulation divided by its root of the sum of squares over
(i, k). Scaling the input by s and the output by `1 / √(s² · Σ_k w²ᵀ)` is the same sum, with one convolution for the whole batch and far
less memory traffic. On the CPU a whole layer in float32 is one compiled operator (cuda_ops/styled.py).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops import styled
from cuda_ops.convolution import autocasted, conv2d_same, conv2d_up
from cuda_ops.epilogue import epilogue
from cuda_ops.styled import DEMODULATION_EPSILON
from cuda_ops.to_rgb import fused_to_rgb
from cuda_ops.upfirdn2d import upsample2d


def styled_conv2d(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels kernel kernel"],
    style: Float[Tensor, "batch in_channels"],
    noise: Float[Tensor, "#batch 1 out_height out_width"] | None,
    bias: Float[Tensor, " out_channels"],
    up: int = 1,
    demodulate: bool = True,
    gain: float = math.sqrt(2.0),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """A whole synthesis layer: clamp(gain · leaky(modulated convolution + noise + bias; slope), ±clamp). noise has its strength already.

    up = 2: a transposed convolution of stride 2, then the FIR with a gain of 4, to exactly twice the size. x may be of a lower precision
    than the rest; the result has x's.
    """
    if up not in (1, 2):
        raise ValueError(f"a styled convolution has up = 1 or 2, not {up}")
    x = autocasted(x)
    limit = -1.0 if clamp is None else clamp
    if weight.shape[2] == 3 and slope > 0 and styled.available(x.device.type, x.dtype):
        return torch.ops.cuda_ops.styled_conv2d(x, weight, style, noise, bias, up, demodulate, gain, slope, limit)
    return composed_layer(x, weight, style, noise, bias, up, demodulate, gain, slope, limit)


def composed_layer(
    x: Tensor, weight: Tensor, style: Tensor, noise: Tensor | None, bias: Tensor,
    up: int, demodulate: bool, gain: float, slope: float, clamp: float,
) -> Tensor:  # fmt: skip
    """The same, made of smaller operators, with gradients of every order. A negative clamp is none."""
    x = x * style.to(x.dtype)[:, :, None, None]
    x = conv2d_up(x, weight) if up == 2 else conv2d_same(x, weight)
    factor = demodulation(weight, style) if demodulate else None
    return epilogue(x, factor, noise, bias, fir=up == 2, slope=slope, gain=gain, clamp=None if clamp < 0 else clamp)


styled.composition = composed_layer


def demodulation(
    weight: Float[Tensor, "out_channels in_channels kernel kernel"], style: Float[Tensor, "batch in_channels"]
) -> Float[Tensor, "batch out_channels"]:
    """1 / √(Σ_{i,k} (w s)² + ε): one number per sample and output channel."""
    return (style.square() @ weight.square().sum(dim=(2, 3)).t() + DEMODULATION_EPSILON).rsqrt()


def to_rgb(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "3 in_channels 1 1"],
    style: Float[Tensor, "batch in_channels"],
    bias: Float[Tensor, " 3"],
    image: Float[Tensor, "batch 3 half_height half_width"] | None = None,
    clamp: float | None = None,
) -> Float[Tensor, "batch 3 height width"]:
    """The colours of x, clamp(1 × 1 modulated convolution + bias, ±clamp), on top of the upsampled smaller picture. Contiguous (NCHW).

    Pictures are sums over all blocks and therefore float32 (float64 where x is) whatever x is.
    """
    if not _differentiated(x, weight, style, bias, image):
        return fused_to_rgb(x, weight, style, bias, image, clamp)
    batch, _, height, width = x.shape
    kernels = weight[:, :, 0, 0] * style[:, None]
    colours = torch.bmm(kernels, x.to(kernels.dtype).flatten(2)) + bias[:, None]
    if clamp is not None:
        colours = torch.clamp(colours, -clamp, clamp)
    colours = colours.view(batch, 3, height, width)
    return colours if image is None else upsample2d(image) + colours


def _differentiated(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
