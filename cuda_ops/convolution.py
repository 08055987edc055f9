"""The plain convolutions that networks here are made of: compiled for 3 × 3 float32 weights on the CPU (cuda_ops/winograd.py), else torch's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops.styled import available


def conv2d_same(
    x: Float[Tensor, "batch in_channels height width"], weight: Float[Tensor, "out_channels in_channels kernel kernel"]
) -> Float[Tensor, "batch out_channels height width"]:
    """Stride 1, padded to the same size (odd kernels)."""
    if _compiled(x, weight):
        return torch.ops.cuda_ops.convolve3x3(x, weight, "same", False, False)
    return functional.conv2d(x, weight, padding=weight.shape[2] // 2)


def conv2d_down(
    x: Float[Tensor, "batch in_channels height width"], weight: Float[Tensor, "out_channels in_channels kernel kernel"]
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """Stride 2, no padding."""
    if _compiled(x, weight) and x.shape[2] % 2 == 1 and x.shape[3] % 2 == 1:
        return torch.ops.cuda_ops.convolve3x3(x, weight, "down", False, False)
    return functional.conv2d(x, weight, stride=2)


def conv2d_up(
    x: Float[Tensor, "batch in_channels height width"], weight: Float[Tensor, "out_channels in_channels kernel kernel"]
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """Transposed convolution of stride 2, h → 2h + kernel − 2."""
    if _compiled(x, weight):
        return torch.ops.cuda_ops.convolve3x3(x, weight, "up", False, False)
    return functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)


def _compiled(x: Tensor, weight: Tensor) -> bool:
    return weight.shape[2] == 3 and available(x.device.type, x.dtype)
