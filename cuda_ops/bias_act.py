"""Bias, activation, gain and clamp in one operator (StyleGAN2's bias_act).

Contract: `y = clamp(act(x + bias) · gain, ±clamp)`; bias runs along dimension 1. The torch code below is the definition; it has
gradients of every order, and a kernel may later stand behind the same function.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Activation = Literal["linear", "lrelu"]

LRELU_SLOPE = 0.2

DEFAULT_GAIN = {"linear": 1.0, "lrelu": math.sqrt(2.0)}
"""What keeps the variance of a standard normal input (He et al. 2015)."""


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
    gain = DEFAULT_GAIN[activation] if gain is None else gain
    if bias is not None:
        x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    if activation == "lrelu":
        x = functional.leaky_relu(x, LRELU_SLOPE)
    if gain != 1:
        x = x * gain
    return x if clamp is None else torch.clamp(x, -clamp, clamp)
