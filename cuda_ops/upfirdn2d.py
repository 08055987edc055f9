"""Resampling with a finite impulse response filter (StyleGAN2's upfirdn2d).

Contract of `upfirdn2d`: insert up − 1 zeros after each pixel (also after the last), pad or crop, filter, keep every down-th pixel.
Its backward is the same operator with up and down exchanged and the filter mirrored, so gradients of every order exist.

`blur2d`, `upsample2d` and `downsample2d` are the three uses StyleGAN2 makes of it, with the filter [1, 3, 3, 1] on each axis in turn
and without a single inserted zero. Depthwise convolutions of channels_last tensors are the fastest form on a CPU, forward and
backward (measured against shifted slices, compiled or not, and against the 4 × 4 filter in one piece).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

FIR = (1.0, 3.0, 3.0, 1.0)
"""StyleGAN2's low-pass filter on one axis, before normalisation to a sum of 1."""

Padding = tuple[int, int, int, int]


def fir_filter(taps: tuple[float, ...] = FIR, device: torch.device | None = None) -> Float[Tensor, "height width"]:
    """The separable two-dimensional filter, with a sum of 1."""
    line = torch.tensor(taps, device=device)
    plane = torch.outer(line, line)
    return plane / plane.sum()


def upfirdn2d(
    x: Float[Tensor, "batch channels height width"],
    filter: Float[Tensor, "filter_height filter_width"],
    up: int = 1,
    down: int = 1,
    padding: Padding = (0, 0, 0, 0),
    flip: bool = False,
    gain: float = 1.0,
) -> Float[Tensor, "batch channels out_height out_width"]:
    """The general operator. padding: left, right, top, bottom, negative crops. flip=False is true convolution, True is correlation."""
    batch, channels, height, width = x.shape
    if up > 1:
        x = functional.pad(x.reshape(batch, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(batch, channels, height * up, width * up)
    x = functional.pad(x, padding)
    taps = (filter if flip else filter.flip(0, 1)) * gain
    kernel = taps.to(x.dtype)[None, None].expand(channels, 1, *taps.shape)
    return functional.conv2d(x, kernel, stride=down, groups=channels)


def blur2d(
    x: Float[Tensor, "batch channels height width"], before: int, after: int, gain: float = 1.0
) -> Float[Tensor, "batch channels out_height out_width"]:
    """FIR at the same scale after padding both axes by (before, after): upfirdn2d with up = down = 1."""
    if before != after:
        x, before = functional.pad(x, (before, after, before, after)), 0
    return _line_conv2d(_line_conv2d(x, 3, 1, before, gain), 2, 1, before)


def downsample2d(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels out_height out_width"]:
    """Half the size (even sizes): upfirdn2d with down = 2, padding (1, 1, 1, 1).

    Outputs are (x[2i−1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8.
    """
    return _line_conv2d(_line_conv2d(x, 2, 2, 1), 3, 2, 1)


def _line_conv2d(x: Tensor, axis: int, down: int, padding: int, gain: float = 1.0) -> Tensor:
    """[1, 3, 3, 1] / 8 · gain along one axis, as a depthwise convolution with equal padding at both ends."""
    channels, along = x.shape[1], axis == 2
    line = torch.tensor(FIR, dtype=x.dtype, device=x.device) * (gain / sum(FIR))
    kernel = line.view(1, 1, 4, 1) if along else line.view(1, 1, 1, 4)
    down_by, pad_by = ((down, 1), (padding, 0)) if along else ((1, down), (0, padding))
    return functional.conv2d(x, kernel.expand(channels, 1, *kernel.shape[2:]), stride=down_by, padding=pad_by, groups=channels)


def upsample2d(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels out_height out_width"]:
    """Twice the size: upfirdn2d with up = 2, padding (2, 1, 2, 1), gain 4; constants are kept away from the border.

    Even outputs are (x[i−1] + 3 x[i]) / 4, odd ones (3 x[i] + x[i+1]) / 4, zero outside the picture.
    """
    x = functional.pad(x, (1, 1, 1, 1))
    return _upsample_line(_upsample_line(x, 3), 2)


def _upsample_line(x: Tensor, axis: int) -> Tensor:
    size = x.shape[axis] - 2
    middle = x.narrow(axis, 1, size) * 0.75
    even = torch.add(middle, x.narrow(axis, 0, size), alpha=0.25)
    odd = torch.add(middle, x.narrow(axis, 2, size), alpha=0.25)
    return torch.stack([even, odd], dim=axis + 1).flatten(axis, axis + 1)
