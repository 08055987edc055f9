"""A whole synthesis layer as one registered operator with a fused backward, in float32 on the CPU.

Contract of `cuda_ops::styled_conv2d`: as `cuda_ops.modulated_conv.styled_conv2d`, with a negative clamp for none and a positive slope.
Contract of `cuda_ops::styled_conv2d_backward`: the gradients of x, weight, style, noise and bias from the layer's inputs and output;
activation, bias, noise and demodulation are undone from the output, so nothing between is kept. It has no backward of its own: where a
gradient of the gradient is asked for, the backward is made of differentiable operators instead (`composition`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops import native, winograd
from cuda_ops.upfirdn2d import blur2d

DEMODULATION_EPSILON = 1e-8

Layer = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]
"""x, weight, style, noise, bias."""


@torch.compiler.assume_constant_result
def available(device_type: str, dtype: torch.dtype) -> bool:
    """Whether the fused operator takes such tensors."""
    return device_type == "cpu" and dtype == torch.float32 and native.load(device_type)


def output_factor(
    weight: Float[Tensor, "out_channels in_channels 3 3"], style: Float[Tensor, "batch in_channels"], demodulate: bool, gain: float
) -> Float[Tensor, "batch out_channels"]:
    """gain / √(Σ_{i,k} (w s)² + ε), or the gain alone."""
    if not demodulate:
        return style.new_full((style.shape[0], weight.shape[0]), gain)
    return gain * (style.square() @ winograd.weight_squares(weight) + DEMODULATION_EPSILON).rsqrt()


LAYER = "Tensor x, Tensor weight, Tensor style, Tensor? noise, Tensor bias, int up, bool demodulate, float gain, float slope, float clamp"
torch.library.define("cuda_ops::styled_conv2d", f"({LAYER}) -> Tensor")
torch.library.define(
    "cuda_ops::styled_conv2d_backward", f"(Tensor grad, Tensor y, {LAYER}, bool weight_wanted) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


@torch.library.impl("cuda_ops::styled_conv2d", "default")
def _forward(
    x: Tensor, weight: Tensor, style: Tensor, noise: Tensor | None, bias: Tensor,
    up: int, demodulate: bool, gain: float, slope: float, clamp: float,
) -> Tensor:  # fmt: skip
    factor = output_factor(weight, style, demodulate, gain)
    return winograd.styled(x, weight, up, style, factor, noise, bias, slope, gain, clamp)


@torch.library.impl("cuda_ops::styled_conv2d_backward", "default")
def _backward(
    grad: Tensor, y: Tensor, x: Tensor, weight: Tensor, style: Tensor, noise: Tensor | None, bias: Tensor,
    up: int, demodulate: bool, gain: float, slope: float, clamp: float, weight_wanted: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    kernels = torch.ops.cuda_ops_cpu
    x = x.contiguous(memory_format=torch.channels_last)
    style = native.parameter(style)
    factor = output_factor(weight, style, demodulate, gain)
    grad = grad.contiguous(memory_format=torch.channels_last)
    parameters = [native.parameter(tensor) for tensor in (factor, noise, bias)]
    grad, of_factor, of_bias, of_noise = kernels.finish_backward(grad, y, *parameters, slope, gain, clamp, noise is not None)
    if up == 2:
        grad = blur2d(grad, 2, 2, gain=4.0)
    of_x = winograd.convolve(grad, weight, "down" if up == 2 else "same", transposed=True, mirrored=up == 1)
    of_style = kernels.scale_backward(of_x, x, style)
    of_weight = winograd.weight_gradient(x, grad, "up" if up == 2 else "same", style) if weight_wanted else weight.new_empty(0)
    if demodulate:  # factor = gain · q^(−1/2), q = s² · Σ_k w² + ε
        of_q = -0.5 / gain**2 * of_factor * factor**3
        of_style += 2 * style * (of_q @ winograd.weight_squares(weight).t())
        if weight_wanted:
            of_weight.addcmul_(weight, (of_q.t() @ style.square())[:, :, None, None], value=2)
    if noise is not None and noise.shape[0] == 1:
        of_noise = of_noise.sum(dim=0, keepdim=True)
    return of_x, of_weight, of_style, of_noise, of_bias.sum(dim=0)


@torch.library.register_fake("cuda_ops::styled_conv2d")
def _fake(x: Tensor, weight: Tensor, style: Tensor, noise: Tensor | None, bias: Tensor, up: int, *how: Any) -> Tensor:
    size = (x.shape[0], weight.shape[0], up * x.shape[2], up * x.shape[3])
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


@torch.library.register_fake("cuda_ops::styled_conv2d_backward")
def _fake_backward(
    grad: Tensor, y: Tensor, x: Tensor, weight: Tensor, style: Tensor, noise: Tensor | None, bias: Tensor,
    up: int, demodulate: bool, gain: float, slope: float, clamp: float, weight_wanted: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    of_x = torch.empty(x.shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    of_noise = y.new_empty(0 if noise is None else noise.shape[0], 1, *y.shape[2:])
    of_weight = torch.empty_like(weight, memory_format=torch.contiguous_format) if weight_wanted else weight.new_empty(0)
    return of_x, of_weight, torch.empty_like(style), of_noise, torch.empty_like(bias)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.up, ctx.demodulate, ctx.gain, ctx.slope, ctx.clamp = inputs
    ctx.save_for_backward(output, *tensors)


composition: Callable[..., Tensor]
"""The same layer made of differentiable operators; set by cuda_ops.modulated_conv, which defines it."""


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    y, *layer = ctx.saved_tensors
    how = (ctx.up, ctx.demodulate, ctx.gain, ctx.slope, ctx.clamp)
    wanted = ctx.needs_input_grad[:5]
    nothing = (None,) * len(how)
    if torch.is_grad_enabled():  # somebody will differentiate the result
        again = composition(*layer, *how)
        inputs = [tensor for tensor, is_wanted in zip(layer, wanted, strict=True) if is_wanted]
        found = iter(torch.autograd.grad(again, inputs, grad, create_graph=True))
        return *[next(found) if is_wanted else None for is_wanted in wanted], *nothing
    found = torch.ops.cuda_ops.styled_conv2d_backward(grad, y, *layer, *how, wanted[1])
    return *[gradient if is_wanted else None for gradient, is_wanted in zip(found, wanted, strict=True)], *nothing


torch.library.register_autograd("cuda_ops::styled_conv2d", _differentiate, setup_context=_keep)
