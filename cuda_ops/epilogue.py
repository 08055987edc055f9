"""What follows a modulated convolution, in one pass over memory.

Contract: `y = clamp(gain · leaky(fir(x) · factor + noise + bias), ±clamp)`. factor is the demodulation, one number per sample and channel;
noise has its strength already; leaving one out leaves its term out. With fir, x is the (2h + 1)² result of a transposed convolution of
stride 2 and is blurred by [1, 3, 3, 1] on both axes, with a gain of 4 and one pixel of padding on each side, to (2h)². Sums are float32
(float64 for float64) and rounded once; y keeps x's type and layout. gain > 0 and 0 < slope ≤ 1: the backward pass reads signs from y.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops import native
from cuda_ops.bias_act import LRELU_SLOPE, UNCLAMPED, activate, widened
from cuda_ops.layout import dense, empty, format_of
from cuda_ops.upfirdn2d import FIR_PLANE
from cuda_ops.upfirdn2d import reference as upfirdn2d_reference

FIR_GAIN = 4.0


def epilogue(
    x: Float[Tensor, "batch channels _ _"],
    factor: Float[Tensor, "batch channels"] | None = None,
    noise: Float[Tensor, "#batch 1 height width"] | None = None,
    bias: Float[Tensor, " channels"] | None = None,
    fir: bool = False,
    slope: float = LRELU_SLOPE,
    gain: float = math.sqrt(2.0),
    clamp: float | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """clamp(gain · leaky(fir(x) · factor + noise + bias; slope), ±clamp)."""
    if gain <= 0 or not 0 < slope <= 1:
        raise ValueError(f"gain must be positive and slope in (0, 1], not {gain} and {slope}: the backward pass reads signs from y")
    call = _forward if native.unobserved(x, factor, noise, bias) else torch.ops.cuda_ops.epilogue.default
    return call(x, factor, noise, bias, fir, slope, gain, UNCLAMPED if clamp is None else clamp)


def reference(
    x: Tensor, factor: Tensor | None, noise: Tensor | None, bias: Tensor | None, fir: bool, slope: float, gain: float, clamp: float
) -> Tensor:
    """The definition, in torch."""
    y = widened(x)
    if fir:
        y = upfirdn2d_reference(y, FIR_PLANE, 1, 1, (1, 1, 1, 1), False, FIR_GAIN)
    if factor is not None:
        y = y * factor.to(y.dtype)[:, :, None, None]
    if noise is not None:
        y = y + noise.to(y.dtype)
    if bias is not None:
        y = y + bias.to(y.dtype)[:, None, None]
    return activate(y, slope, gain, clamp, x.dtype).contiguous(memory_format=format_of(x))


torch.library.define(
    "cuda_ops::epilogue",
    "(Tensor x, Tensor? factor, Tensor? noise, Tensor? bias, bool fir, float slope, float gain, float clamp) -> Tensor",
)


def _forward(x: Tensor, factor: Tensor | None, noise: Tensor | None, bias: Tensor | None, fir: bool, *how: float) -> Tensor:
    x = dense(x)
    if not native.usable(x):
        return reference(x, factor, noise, bias, fir, *how)
    factor, noise, bias = native.parameter(factor), native.parameter(noise), native.parameter(bias)
    return native.operators(x).epilogue(x, factor, noise, bias, fir, *how)


@torch.library.register_fake("cuda_ops::epilogue")
def _fake(x: Tensor, factor: Tensor | None, noise: Tensor | None, bias: Tensor | None, fir: bool, *how: float) -> Tensor:
    return empty(x, (x.shape[0], x.shape[1], x.shape[2] - fir, x.shape[3] - fir))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, factor, noise, bias, ctx.fir, *ctx.how = inputs
    ctx.dtype = x.dtype
    ctx.noise = None if noise is None else (noise.shape, noise.dtype)
    ctx.bias_dtype = None if bias is None else bias.dtype
    ctx.save_for_backward(output, factor, None if factor is None else x)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    """FIR and factor commute, so one mirrored FIR of the gradient serves both x and factor."""
    y, factor, x = ctx.saved_tensors
    of_factor = of_noise = of_bias = None
    gradient = torch.ops.cuda_ops.bias_act_backward(gradient, y, *ctx.how)
    wanted_noise, wanted_bias = ctx.noise is not None and ctx.needs_input_grad[2], ctx.bias_dtype is not None and ctx.needs_input_grad[3]
    if wanted_noise or wanted_bias:
        wide = gradient.to(_wide(gradient))  # once: sums that widen by themselves take six times as long
    if wanted_noise:
        shape, dtype = ctx.noise
        of_noise = torch.einsum("bchw,c->bhw", wide, wide.new_ones(wide.shape[1]))[:, None].sum_to_size(shape).to(dtype)
    if wanted_bias:
        of_bias = wide.sum((2, 3)).sum(0).to(ctx.bias_dtype)
    if ctx.fir:
        gradient = torch.ops.cuda_ops.fir2d(gradient, 1, 1, (2, 2, 2, 2), FIR_GAIN)
    if factor is not None:
        of_factor = (gradient * x).to(_wide(gradient)).sum((2, 3)).to(factor.dtype)
        gradient = gradient * factor.to(gradient.dtype)[:, :, None, None]
    return gradient, of_factor, of_noise, of_bias, None, None, None, None


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


torch.library.impl("cuda_ops::epilogue", "default", _forward)
torch.library.register_autograd("cuda_ops::epilogue", _differentiate, setup_context=_keep)
