"""StyleGAN2's modulated convolution (Karras et al. 2020, equations 1 and 3), by scaling activations, and the two layers made of it.

Contract: the weight of each sample is `w[o,i,k] · s[i]`, and with demodulation divided by its root of the sum of squares over
(i, k). Scaling the input by s and the output by `1 / √(s² · Σ_k w²ᵀ)` is the same sum, with one convolution for the whole batch and far
less memory traffic. The convolution stays torch's own, so gradients of every order exist.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops import styled
from cuda_ops.convolution import conv2d_same, conv2d_up
from cuda_ops.styled import DEMODULATION_EPSILON
from cuda_ops.to_rgb import fused_to_rgb
from cuda_ops.upfirdn2d import blur2d, upsample2d


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
    """A whole synthesis layer: clamp(gain · lrelu(modulated convolution + noise + bias), ±clamp). noise has its strength already.

    gain must be positive: leaky ReLU commutes with it, so it goes into factors that are multiplied anyway.
    """
    limit = -1.0 if clamp is None else clamp
    if weight.shape[2] == 3 and slope > 0 and styled.available(x.device.type, x.dtype):
        return torch.ops.cuda_ops.styled_conv2d(x, weight, style, noise, bias, up, demodulate, gain, slope, limit)
    return composed_layer(x, weight, style, noise, bias, up, demodulate, gain, slope, limit)


def composed_layer(
    x: Tensor, weight: Tensor, style: Tensor, noise: Tensor | None, bias: Tensor,
    up: int, demodulate: bool, gain: float, slope: float, clamp: float,
) -> Tensor:  # fmt: skip
    """The layer made of smaller operators, with gradients of every order. A negative clamp is none."""
    shift = (bias * gain).view(1, 1, 1, -1)
    if noise is not None:
        shift = shift + (noise * gain).permute(0, 2, 3, 1)
    shift = shift.permute(0, 3, 1, 2)  # channels_last, like x
    x = modulated_conv2d(x, weight, style, demodulate, up, shift, gain)
    x = functional.leaky_relu_(x, slope)
    return x if clamp < 0 else torch.clamp(x, -clamp, clamp)


styled.composition = composed_layer


def to_rgb(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "3 in_channels 1 1"],
    style: Float[Tensor, "batch in_channels"],
    bias: Float[Tensor, " 3"],
    image: Float[Tensor, "batch 3 half_height half_width"] | None = None,
    clamp: float | None = None,
) -> Float[Tensor, "batch 3 height width"]:
    """The colours of x, clamp(1 × 1 modulated convolution + bias, ±clamp), on top of the upsampled smaller picture. Contiguous (NCHW)."""
    if not _differentiated(x, weight, style, bias, image):
        return fused_to_rgb(x, weight, style, bias, image, clamp)
    batch, _, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    kernels = weight[:, :, 0, 0] * style[:, None]
    colours = (kernels @ pixels.transpose(1, 2) + bias[:, None]).view(batch, 3, height, width)
    if clamp is not None:
        colours = torch.clamp(colours, -clamp, clamp)
    return colours if image is None else upsample2d(image) + colours


def _differentiated(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def modulated_conv2d(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels kernel kernel"],
    style: Float[Tensor, "batch in_channels"],
    demodulate: bool = True,
    up: int = 1,
    shift: Float[Tensor, "#batch #out_channels #out_height #out_width"] | None = None,
    gain: float = 1.0,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """gain · convolution + shift, of the same size (up = 1) or twice it (up = 2: stride-2 transposed convolution, then the FIR, gain 4).

    shift (bias and noise, already multiplied by the gain) is added in the pass that demodulates.
    """
    if up not in (1, 2):
        raise ValueError(f"modulated_conv2d has up = 1 or 2, not {up}")
    if weight.shape[2] == 1 and up == 1 and not demodulate:
        return _pointwise(x, weight[:, :, 0, 0] * gain, style, shift)
    x = x * style[:, :, None, None]
    x = blur2d(conv2d_up(x, weight), 1, 1, gain=4.0) if up == 2 else conv2d_same(x, weight)
    if demodulate:
        factor = demodulation(weight, style)[:, :, None, None] * gain
        x = x * factor
        return x if shift is None else x.add_(shift)  # in place: nothing needs the product itself for a gradient
    x = x if gain == 1.0 else x * gain
    return x if shift is None else x + shift


def _pointwise(x: Tensor, weight: Tensor, style: Tensor, shift: Tensor | None) -> Tensor:
    """1 × 1: for few outputs it is cheaper to scale each sample's weights than its activations."""
    batch, _, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    x = pixels @ (weight * style[:, None]).transpose(1, 2)
    x = x.unflatten(1, (height, width)).permute(0, 3, 1, 2)
    return x if shift is None else x + shift


def demodulation(
    weight: Float[Tensor, "out_channels in_channels kernel kernel"], style: Float[Tensor, "batch in_channels"]
) -> Float[Tensor, "batch out_channels"]:
    """1 / √(Σ_{i,k} (w s)² + ε): one number per sample and output channel."""
    return (style.square() @ weight.square().sum(dim=(2, 3)).t() + DEMODULATION_EPSILON).rsqrt()
