"""Resampling with a finite impulse response filter (StyleGAN2's upfirdn2d).

Contract of `upfirdn2d`: insert up − 1 zeros after each pixel (also after the last), pad or crop, filter, keep every down-th pixel. Sums are
float32 (float64 for float64) and rounded once; the result keeps x's type and layout. Its backward is the same operator with up and
down exchanged and the filter mirrored, so gradients of every order exist; the filter is a constant and has none.

`blur2d`, `upsample2d` and `downsample2d` are the three uses StyleGAN2 makes of it, with the filter [1, 3, 3, 1] on both axes. They are
`cuda_ops::fir2d(x, up, down, padding, gain)`: the same operator with that filter, which need not be passed around then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops import native
from cuda_ops.bias_act import widened
from cuda_ops.layout import dense, empty, format_of

FIR = (1.0, 3.0, 3.0, 1.0)
"""StyleGAN2's low-pass filter on one axis, before normalisation to a sum of 1."""

Size = int | torch.SymInt
"""Sizes are symbols while a graph with dynamic shapes is traced."""

Padding = Sequence[Size]


def fir_filter(taps: tuple[float, ...] = FIR, device: torch.device | None = None) -> Float[Tensor, "height width"]:
    """The separable two-dimensional filter, with a sum of 1."""
    line = torch.tensor(taps, device=device)
    plane = torch.outer(line, line)
    return plane / plane.sum()


FIR_PLANE = fir_filter(device=torch.device("cpu"))
"""The filter of the three uses below and of the epilogue; the operator keeps copies on other devices."""

_copies: dict[torch.device, Tensor] = {}


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
    if up < 1 or down < 1:
        raise ValueError(f"up and down must be at least 1, not {up} and {down}")
    if filter.requires_grad:
        raise ValueError("the filter is a constant and has no gradient; detach it")
    _check_something_is_left(x, filter, up, down, padding)
    call = _forward if native.unobserved(x, filter) else torch.ops.cuda_ops.upfirdn2d.default
    return call(x, filter, up, down, padding, flip, gain)


def _check_something_is_left(x: Tensor, filter: Tensor, up: int, down: int, padding: Padding) -> None:
    height, width = out_size(x, filter, up, down, padding)
    if height < 1 or width < 1:
        sizes = f"{tuple(x.shape[2:])} pixels with padding {tuple(padding)} and a filter of {tuple(filter.shape)}"
        raise ValueError(f"nothing is left of {sizes}")


def blur2d(
    x: Float[Tensor, "batch channels height width"], before: int, after: int, gain: float = 1.0
) -> Float[Tensor, "batch channels out_height out_width"]:
    """FIR at the same scale after padding both axes by (before, after)."""
    return _fir2d(x, 1, 1, (before, after, before, after), gain)


def downsample2d(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels out_height out_width"]:
    """Half the size (even sizes). On each axis, outputs are (x[2i−1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8."""
    return _fir2d(x, 1, 2, (1, 1, 1, 1), 1.0)


def upsample2d(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels out_height out_width"]:
    """Twice the size; constants are kept away from the border.

    On each axis, even outputs are (x[i−1] + 3 x[i]) / 4 and odd ones (3 x[i] + x[i+1]) / 4, zero outside the picture.
    """
    return _fir2d(x, 2, 1, (2, 1, 2, 1), 4.0)


def _fir2d(x: Tensor, up: int, down: int, padding: Padding, gain: float) -> Tensor:
    _check_something_is_left(x, FIR_PLANE, up, down, padding)
    call = _forward_fir if native.unobserved(x) else torch.ops.cuda_ops.fir2d.default
    return call(x, up, down, padding, gain)


def out_size(x: Tensor, filter: Tensor, up: int, down: int, padding: Padding) -> tuple[Size, Size]:
    """Height and width of the result."""
    left, right, top, bottom = padding
    height = (x.shape[2] * up + top + bottom - filter.shape[0]) // down + 1
    return height, (x.shape[3] * up + left + right - filter.shape[1]) // down + 1


def reference(x: Tensor, filter: Tensor, up: int, down: int, padding: Padding, flip: bool, gain: float) -> Tensor:
    """The definition, in torch."""
    batch, channels, height, width = x.shape
    y = widened(x)
    if up > 1:
        y = functional.pad(y.reshape(batch, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
        y = y.reshape(batch, channels, height * up, width * up)
    y = functional.pad(y, tuple(padding))
    taps = filter.to(y.device, y.dtype) * gain
    kernel = (taps if flip else taps.flip(0, 1))[None, None].expand(channels, 1, *taps.shape)
    y = functional.conv2d(y, kernel, stride=down, groups=channels)
    return y.to(x.dtype).contiguous(memory_format=format_of(x))


torch.library.define("cuda_ops::upfirdn2d", "(Tensor x, Tensor filter, int up, int down, int[] padding, bool flip, float gain) -> Tensor")
torch.library.define("cuda_ops::fir2d", "(Tensor x, int up, int down, int[] padding, float gain) -> Tensor")


def _forward(x: Tensor, filter: Tensor, up: int, down: int, padding: Padding, flip: bool, gain: float) -> Tensor:
    x = dense(x)
    if not native.usable(x):
        return reference(x, filter, up, down, padding, flip, gain)
    filter = filter if filter.device == x.device else _beside(x, filter)
    return native.operators(x).upfirdn2d(x, native.parameter(filter), up, down, padding, flip, gain)


def _beside(x: Tensor, filter: Tensor) -> Tensor:
    """The filter on x's device. A copy makes the device wait, so the usual filter is copied once."""
    if filter is not FIR_PLANE:
        return filter.to(x.device)
    if x.device not in _copies:
        _copies[x.device] = filter.to(x.device)
    return _copies[x.device]


def _forward_fir(x: Tensor, up: int, down: int, padding: Padding, gain: float) -> Tensor:
    return _forward(x, FIR_PLANE, up, down, padding, False, gain)


@torch.library.register_fake("cuda_ops::upfirdn2d")
def _fake(x: Tensor, filter: Tensor, up: int, down: int, padding: Padding, flip: bool, gain: float) -> Tensor:
    return empty(x, (x.shape[0], x.shape[1], *out_size(x, filter, up, down, padding)))


@torch.library.register_fake("cuda_ops::fir2d")
def _fake_fir(x: Tensor, up: int, down: int, padding: Padding, gain: float) -> Tensor:
    return _fake(x, FIR_PLANE, up, down, padding, False, gain)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, filter, up, down, padding, flip, gain = inputs
    ctx.filter, ctx.mirrored = filter, (down, up, _mirrored(x, filter, up, down, padding, output), not flip, gain)


def _mirrored(x: Tensor, filter: Tensor, up: int, down: int, padding: Padding, output: Tensor) -> Padding:
    """The padding with which the operator takes gradients of the output back to x."""
    (height, width), (out_height, out_width), (rows, columns) = x.shape[2:], output.shape[2:], filter.shape
    left, _, top, _ = padding
    across = (columns - left - 1, width * up - out_width * down + left - up + 1)
    return (*across, rows - top - 1, height * up - out_height * down + top - up + 1)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    return torch.ops.cuda_ops.upfirdn2d(gradient, ctx.filter, *ctx.mirrored), None, None, None, None, None, None


def _keep_fir(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, up, down, padding, gain = inputs
    ctx.mirrored = (down, up, _mirrored(x, FIR_PLANE, up, down, padding, output), gain)  # the filter is its own mirror image


def _differentiate_fir(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    return torch.ops.cuda_ops.fir2d(gradient, *ctx.mirrored), None, None, None, None


torch.library.impl("cuda_ops::upfirdn2d", "default", _forward)
torch.library.register_autograd("cuda_ops::upfirdn2d", _differentiate, setup_context=_keep)
torch.library.impl("cuda_ops::fir2d", "default", _forward_fir)
torch.library.register_autograd("cuda_ops::fir2d", _differentiate_fir, setup_context=_keep_fir)
