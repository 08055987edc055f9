"""3 × 3 convolutions in fewer multiplications (Winograd 1980; Lavin and Gray 2016), compiled for the CPU: csrc/cpu/winograd.cpp.

Contract of `cuda_ops::convolve3x3(x, weight, kind, transposed, mirrored)`, float32 on the CPU: "same" has stride 1 and padding 1; "up" is
the transposed convolution of stride 2, h → 2h + 1; "down" has stride 2 and no padding, 2h + 1 → h. The weight is [out, in, 3, 3];
transposed exchanges out and in, mirrored turns the taps around.
Contract of `cuda_ops::convolve3x3_weight(x, grad, kind)`: the gradient [channels of grad, channels of x, 3, 3] of the weight, same and up.
Each is bilinear and its derivatives are the others, so gradients of every order exist.

Which scheme is fastest depends on how many tiles a picture has: with few, reading the weights takes the time, and the smaller the better.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops import native
from cuda_ops.kept import kept

Kind = Literal["same", "up", "down"]


class Scheme(IntEnum):
    """As in csrc/cpu/convolution.h. Multiplications per pixel of the smaller picture: 9, 4 or 2.25; 9 or 5.4; 9 or 5.4."""

    DIRECT = 0
    SMALL = 1
    LARGE = 2
    DIRECT_UP = 3
    LARGE_UP = 4
    DIRECT_DOWN = 5
    LARGE_DOWN = 6


SCHEMES: dict[str, dict[Scheme, tuple[int, int]]] = {
    "same": {Scheme.DIRECT: (9, 1), Scheme.SMALL: (16, 2), Scheme.LARGE: (36, 4)},
    "up": {Scheme.DIRECT_UP: (9, 2), Scheme.LARGE_UP: (49, 6)},
    "down": {Scheme.DIRECT_DOWN: (9, 1), Scheme.LARGE_DOWN: (49, 3)},
}
"""Matrix products (each with in × out transformed weights), and pixels of the result along one side of a tile."""

TILES_PER_WEIGHT = 12
"""Tiles whose multiplications take as long as reading the transformed weights."""


def choose(kind: Kind, batch: int, out_height: int, out_width: int) -> Scheme:
    """The scheme that should be fastest: least products · (tiles + what the weights cost)."""

    def cost(scheme: Scheme) -> int:
        products, side = SCHEMES[kind][scheme]
        return products * (batch * math.ceil(out_height / side) * math.ceil(out_width / side) + TILES_PER_WEIGHT)

    return min(SCHEMES[kind], key=cost)


def packed_weight(
    weight: Float[Tensor, "_ _ 3 3"], scheme: Scheme, transposed: bool = False, mirrored: bool = False
) -> Float[Tensor, " count"]:
    """The transformed weight."""

    def pack(weight: Tensor) -> Tensor:
        return torch.ops.cuda_ops_cpu.winograd_pack(native.parameter(weight), scheme, transposed, mirrored)

    return kept(weight, (scheme, transposed, mirrored), pack)


def weight_squares(weight: Float[Tensor, "out_channels in_channels 3 3"]) -> Float[Tensor, "in_channels out_channels"]:
    """Σ_k w², for the demodulation."""
    return kept(weight, "squares", lambda weight: weight.square().sum(dim=(2, 3)).t().contiguous())


def styled(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels 3 3"],
    up: int,
    style: Float[Tensor, "batch in_channels"],
    factor: Float[Tensor, "batch out_channels"],
    noise: Float[Tensor, "#batch 1 out_height out_width"] | None,
    bias: Float[Tensor, " out_channels"],
    slope: float,
    gain: float,
    clamp: float,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """clamp(leaky(convolution(x · style) · factor + gain · (noise + bias)), ±clamp), all in one go; channels_last, no gradients.

    up = 2: the transposed convolution and its FIR, to exactly twice the size. clamp < 0: none.
    """
    batch, _, height, width = x.shape
    out = torch.ops.cuda_ops_cpu.new_picture(batch, weight.shape[0], up * height, up * width)
    scheme = choose("up", batch, 2 * height + 1, 2 * width + 1) if up == 2 else choose("same", batch, height, width)
    parameters = [native.parameter(tensor) for tensor in (style, factor, noise, bias)]
    torch.ops.cuda_ops_cpu.winograd_convolve(
        _laid_out(x), packed_weight(weight, scheme), scheme, up == 2, *parameters, slope, gain, clamp, out
    )
    return out


def convolve(x: Tensor, weight: Tensor, kind: Kind, transposed: bool = False, mirrored: bool = False) -> Tensor:
    """`convolve3x3` itself, without gradients."""
    batch, _, height, width = _size(x.shape, weight.shape, kind, transposed)
    scheme = choose(kind, batch, height, width)
    out = torch.ops.cuda_ops_cpu.new_picture(*_size(x.shape, weight.shape, kind, transposed))
    packed = packed_weight(weight, scheme, transposed, mirrored)
    torch.ops.cuda_ops_cpu.winograd_convolve(_laid_out(x), packed, scheme, False, None, None, None, None, 1.0, 1.0, -1.0, out)
    return out


def weight_gradient(x: Tensor, grad: Tensor, kind: Kind, style: Tensor | None = None) -> Tensor:
    """`convolve3x3_weight` itself, without gradients; of a convolution of x · style."""
    scheme = choose(kind, grad.shape[0], grad.shape[2], grad.shape[3])
    return torch.ops.cuda_ops_cpu.winograd_weight_gradient(_laid_out(x), native.parameter(style), _laid_out(grad), scheme)


def _size(x: torch.Size, weight: torch.Size, kind: str, transposed: bool) -> tuple[Any, ...]:
    """Of the result (symbols where a graph is traced for any size)."""
    sides = {"same": x[2:], "up": (2 * x[2] + 1, 2 * x[3] + 1), "down": ((x[2] - 1) // 2, (x[3] - 1) // 2)}[kind]
    return x[0], weight[1 if transposed else 0], *sides


def _laid_out(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


torch.library.define("cuda_ops::convolve3x3", "(Tensor x, Tensor weight, str kind, bool transposed, bool mirrored) -> Tensor")
torch.library.define("cuda_ops::convolve3x3_weight", "(Tensor x, Tensor grad, str kind) -> Tensor")


@torch.library.impl("cuda_ops::convolve3x3", "default")
def _convolve(x: Tensor, weight: Tensor, kind: str, transposed: bool, mirrored: bool) -> Tensor:
    return convolve(x, weight, kind, transposed, mirrored)


@torch.library.impl("cuda_ops::convolve3x3_weight", "default")
def _weight(x: Tensor, grad: Tensor, kind: str) -> Tensor:
    return weight_gradient(x, grad, kind)


@torch.library.register_fake("cuda_ops::convolve3x3")
def _fake(x: Tensor, weight: Tensor, kind: str, transposed: bool, mirrored: bool) -> Tensor:
    return torch.empty(_size(x.shape, weight.shape, kind, transposed), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


@torch.library.register_fake("cuda_ops::convolve3x3_weight")
def _fake_weight(x: Tensor, grad: Tensor, kind: str) -> Tensor:
    return x.new_empty(grad.shape[1], x.shape[1], 3, 3)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, *ctx.how = inputs
    ctx.save_for_backward(x, weight)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    x, weight = ctx.saved_tensors
    kind, transposed, mirrored = ctx.how
    of_x = of_weight = None
    if ctx.needs_input_grad[0]:
        back = {"same": "same", "up": "down", "down": "up"}[kind]
        of_x = torch.ops.cuda_ops.convolve3x3(grad, weight, back, not transposed, mirrored != (kind == "same"))
    if ctx.needs_input_grad[1]:
        if kind == "down":  # the picture that came in is the larger one
            of_weight = torch.ops.cuda_ops.convolve3x3_weight(grad, x, "up").transpose(0, 1)
        else:
            of_weight = torch.ops.cuda_ops.convolve3x3_weight(x, grad, kind)
        of_weight = of_weight.transpose(0, 1) if transposed else of_weight
        of_weight = of_weight.flip(2, 3) if mirrored else of_weight
    return of_x, of_weight, None, None, None


def _keep_for_weight(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, grad, ctx.kind = inputs
    ctx.save_for_backward(x, grad)


def _differentiate_weight(ctx: Any, of_weight: Tensor) -> tuple[Any, ...]:
    x, grad = ctx.saved_tensors
    of_x = of_grad = None
    if ctx.needs_input_grad[0]:
        of_x = torch.ops.cuda_ops.convolve3x3(grad, of_weight, "same" if ctx.kind == "same" else "down", True, ctx.kind == "same")
    if ctx.needs_input_grad[1]:
        of_grad = torch.ops.cuda_ops.convolve3x3(x, of_weight, ctx.kind, False, False)
    return of_x, of_grad, None


torch.library.register_autograd("cuda_ops::convolve3x3", _differentiate, setup_context=_keep)
torch.library.register_autograd("cuda_ops::convolve3x3_weight", _differentiate_weight, setup_context=_keep_for_weight)
