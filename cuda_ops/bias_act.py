"""Bias, activation, gain and clamp in one operator (StyleGAN2's bias_act).

Contract of `bias_act`: `y = clamp(gain · leaky(x + bias), ±clamp)`; bias runs along dimension 1. Sums are float32 (float64 for float64) and
rounded once.
Contract of `cuda_ops::bias_act(x, bias, slope, gain, clamp)`: slope 1 is linear, a negative clamp is none. y keeps x's type and layout.
Contract of `cuda_ops::bias_act_backward(gradient, y, …)`: gradient · gain, · slope where y < 0, and 0 where |y| ≥ clamp. It is linear in
the gradient and otherwise piecewise constant, so it is its own backward, in every order.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops import native
from cuda_ops.layout import dense, empty, format_of

Activation = Literal["linear", "lrelu"]

LRELU_SLOPE = 0.2

DEFAULT_GAIN = {"linear": 1.0, "lrelu": math.sqrt(2.0)}
"""What keeps the variance of a standard normal input (He et al. 2015)."""

UNCLAMPED = -1.0


def bias_act(
    x: Float[Tensor, "batch channels *space"],
    bias: Float[Tensor, " channels"] | None = None,
    activation: Activation = "lrelu",
    gain: float | None = None,
    clamp: float | None = None,
) -> Float[Tensor, "batch channels *space"]:
    """clamp(act(x + bias) · gain, ±clamp). gain: None is the activation's own (√2 for lrelu, 1 for linear)."""
    if activation not in DEFAULT_GAIN:
        raise ValueError(f"activation {activation!r} is unknown; use one of {', '.join(DEFAULT_GAIN)}")
    slope = LRELU_SLOPE if activation == "lrelu" else 1.0
    gain = DEFAULT_GAIN[activation] if gain is None else gain
    if gain <= 0:
        raise ValueError(f"gain must be positive, not {gain}: the backward pass reads the input's sign from the output")
    call = _forward if native.unobserved(x, bias) else torch.ops.cuda_ops.bias_act.default
    return call(x, bias, slope, gain, UNCLAMPED if clamp is None else clamp)


def reference(x: Tensor, bias: Tensor | None, slope: float, gain: float, clamp: float) -> Tensor:
    """The definition, in torch."""
    y = widened(x)
    if bias is not None:
        y = y + bias.to(y.dtype).view(1, -1, *[1] * (x.ndim - 2))
    return activate(y, slope, gain, clamp, x.dtype).contiguous(memory_format=format_of(x))


def activate(y: Tensor, slope: float, gain: float, clamp: float, dtype: torch.dtype) -> Tensor:
    """clamp(gain · leaky(y)), rounded to dtype."""
    if slope != 1:
        y = torch.where(y < 0, y * slope, y)
    y = y * gain
    if clamp >= 0:
        limit = rounded(clamp, dtype)
        y = y.clamp(-limit, limit)
    return y.to(dtype)


def reference_backward(gradient: Tensor, y: Tensor, slope: float, gain: float, clamp: float) -> Tensor:
    wide = widened(y)
    factor = gain + (wide < 0).to(wide.dtype) * (slope * gain - gain)
    if clamp >= 0:
        factor = torch.where(wide.abs() < rounded(clamp, y.dtype), factor, 0.0)
    return (widened(gradient) * factor).to(y.dtype)


def widened(x: Tensor) -> Tensor:
    """In the type that sums are made in."""
    return x if x.dtype == torch.float64 else x.float()


def rounded(value: float, dtype: torch.dtype) -> float:
    """What is left of a number in this type: a clamped output must be seen to be clamped."""
    return torch.tensor(value, dtype=dtype).item()


torch.library.define("cuda_ops::bias_act", "(Tensor x, Tensor? bias, float slope, float gain, float clamp) -> Tensor")
torch.library.define("cuda_ops::bias_act_backward", "(Tensor gradient, Tensor y, float slope, float gain, float clamp) -> Tensor")


def _forward(x: Tensor, bias: Tensor | None, slope: float, gain: float, clamp: float) -> Tensor:
    x = dense(x)
    if not native.usable(x):
        return reference(x, bias, slope, gain, clamp)
    bias = native.parameter(bias)
    return native.operators(x).bias_act(x, bias, slope, gain, clamp)


def _backward(gradient: Tensor, y: Tensor, slope: float, gain: float, clamp: float) -> Tensor:
    y = dense(y)
    gradient = gradient.to(y.dtype).contiguous(memory_format=format_of(y))
    if not native.usable(y):
        return reference_backward(gradient, y, slope, gain, clamp)
    return native.operators(y).bias_act_backward(gradient, y, slope, gain, clamp)


@torch.library.register_fake("cuda_ops::bias_act")
def _fake(x: Tensor, bias: Tensor | None, slope: float, gain: float, clamp: float) -> Tensor:
    return empty(x, x.shape)


@torch.library.register_fake("cuda_ops::bias_act_backward")
def _fake_backward(gradient: Tensor, y: Tensor, slope: float, gain: float, clamp: float) -> Tensor:
    return empty(y, y.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, bias, *ctx.how = inputs
    ctx.bias_dtype = None if bias is None else bias.dtype
    ctx.save_for_backward(output)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    gradient = torch.ops.cuda_ops.bias_act_backward(gradient, ctx.saved_tensors[0], *ctx.how)
    of_bias = None
    if ctx.needs_input_grad[1]:
        of_bias = widened(gradient).sum([0, *range(2, gradient.ndim)]).to(ctx.bias_dtype)
    return gradient, of_bias, None, None, None


def _keep_for_second(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    gradient, y, *ctx.how = inputs
    ctx.dtype = gradient.dtype
    ctx.save_for_backward(y)


def _differentiate_again(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    return torch.ops.cuda_ops.bias_act_backward(gradient, ctx.saved_tensors[0], *ctx.how).to(ctx.dtype), None, None, None, None


torch.library.impl("cuda_ops::bias_act", "default", _forward)
torch.library.impl("cuda_ops::bias_act_backward", "default", _backward)
torch.library.register_autograd("cuda_ops::bias_act", _differentiate, setup_context=_keep)
torch.library.register_autograd("cuda_ops::bias_act_backward", _differentiate_again, setup_context=_keep_for_second)
