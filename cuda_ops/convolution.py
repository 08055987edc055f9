"""The plain convolutions that networks here are made of: compiled for 3 × 3 float32 weights on the CPU (see winograd.py), else torch's.

Weights are kept in float32 and rounded to x's type where that is lower. Under torch.autocast x is taken in the type that it names.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops.kept import kept
from cuda_ops.styled import available


def conv2d_same(
    x: Float[Tensor, "batch in_channels height width"], weight: Float[Tensor, "out_channels in_channels kernel kernel"]
) -> Float[Tensor, "batch out_channels height width"]:
    """Stride 1, padded to the same size (odd kernels)."""
    x = autocasted(x)
    if _compiled(x, weight):
        return torch.ops.cuda_ops.convolve3x3(x, weight, "same", False, False)
    return functional.conv2d(x, _rounded(weight, x.dtype), padding=weight.shape[2] // 2)


def conv2d_down(
    x: Float[Tensor, "batch in_channels height width"], weight: Float[Tensor, "out_channels in_channels kernel kernel"]
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """Stride 2, no padding."""
    x = autocasted(x)
    if _compiled(x, weight) and x.shape[2] % 2 == 1 and x.shape[3] % 2 == 1:
        return torch.ops.cuda_ops.convolve3x3(x, weight, "down", False, False)
    return functional.conv2d(x, _rounded(weight, x.dtype), stride=2)


def conv2d_up(
    x: Float[Tensor, "batch in_channels height width"], weight: Float[Tensor, "out_channels in_channels kernel kernel"]
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """Transposed convolution of stride 2, h → 2h + kernel − 2."""
    x = autocasted(x)
    if _compiled(x, weight):
        return torch.ops.cuda_ops.convolve3x3(x, weight, "up", False, False)
    if x.dtype == torch.bfloat16 and x.device.type == "cpu" and weight.shape[2] == 3:
        return _up_by_phases(x, weight)
    return functional.conv_transpose2d(x, _rounded(weight, x.dtype).transpose(0, 1), stride=2)


def autocasted(x: Tensor) -> Tensor:
    """x in the type that torch.autocast asks convolutions for; x itself where it asks nothing."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) and x.dtype == torch.float32 else x


def _compiled(x: Tensor, weight: Tensor) -> bool:
    return weight.shape[2] == 3 and available(x.device.type, x.dtype)


def _rounded(weight: Tensor, dtype: torch.dtype) -> Tensor:
    if weight.dtype == dtype:
        return weight
    if weight.requires_grad and torch.is_grad_enabled():
        return weight.to(dtype)
    return kept(weight, dtype, lambda weight: weight.to(dtype))


def _up_by_phases(x: Tensor, weight: Tensor) -> Tensor:
    """As one dense 2 × 2 convolution to the four phases of the result, which matrix units prefer to a transposed one.

    On each axis u[2m] = x[m − 1] w[2] + x[m] w[0] and u[2m + 1] = x[m] w[1].
    """

    def phases(weight: Tensor) -> Tensor:
        taps = weight.new_zeros(2, 2, 3)  # phase, offset m − 1 or m, tap
        taps[0, 0, 2] = taps[0, 1, 0] = taps[1, 1, 1] = 1
        kernel = torch.einsum("oikl,pyk,qxl->opqiyx", weight, taps, taps).flatten(0, 2)
        return kernel.to(x.dtype, memory_format=torch.channels_last)

    differentiated = weight.requires_grad and torch.is_grad_enabled()
    kernel = phases(weight) if differentiated else kept(weight, ("phases", x.dtype), phases)
    u = functional.pixel_shuffle(functional.conv2d(x, kernel, padding=1), 2)
    return u[:, :, :-1, :-1].contiguous(memory_format=torch.channels_last)
