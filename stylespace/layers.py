"""The layers that generator, discriminator and encoder are made of, with StyleGAN2's equalised learning rate.

Parameters are stored with unit variance and scaled at run time by 1 / √fan_in (Karras et al. 2018); `rate` scales the effective
learning rate on top (0.01 in the mapping network).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cuda_ops.bias_act import DEFAULT_GAIN, Activation, bias_act
from cuda_ops.convolution import conv2d_down, conv2d_same
from cuda_ops.upfirdn2d import blur2d, downsample2d


class Linear(nn.Module):
    """Fully connected layer with equalised learning rate. bias: initial value."""

    def __init__(self, in_features: int, out_features: int, activation: Activation = "linear", rate: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / rate)
        self.bias = nn.Parameter(torch.full((out_features,), bias / rate))
        self.activation, self.rate, self.gain = activation, rate, rate / math.sqrt(in_features)

    def forward(self, x: Float[Tensor, "batch in_features"]) -> Float[Tensor, "batch out_features"]:
        bias = self.bias if self.rate == 1.0 else self.bias * self.rate
        x = functional.linear(x, self.weight * self.gain, bias)
        return x if self.activation == "linear" else bias_act(x, None, self.activation)


class Conv(nn.Module):
    """Plain convolution with equalised learning rate, bias and activation, that keeps or (down = 2) halves the size.

    Halving blurs first (3 × 3) or downsamples first (1 × 1), as StyleGAN2 does. gain: factor on the activation's output.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        down: int = 1,
        activation: Activation = "lrelu",
        bias: bool = True,
        gain: float = 1.0,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.activation, self.kernel, self.down = activation, kernel, down
        # Both activations commute with a positive factor, so the gain is folded into weight and bias instead of a pass over the picture.
        self.act_gain = gain * DEFAULT_GAIN[activation]
        self.weight_gain = self.act_gain / math.sqrt(in_channels * kernel**2)

    def forward(self, x: Float[Tensor, "batch in_channels height width"]) -> Float[Tensor, "batch out_channels out_height out_width"]:
        weight = self.weight * self.weight_gain
        bias = None if self.bias is None else self.bias * self.act_gain
        if self.down == 1:
            x = conv2d_same(x, weight)
        elif self.kernel == 1:
            x = conv2d_same(downsample2d(x), weight)
        else:
            x = conv2d_down(blur2d(x, 2, 2), weight)
        return x if bias is None and self.activation == "linear" else bias_act(x, bias, self.activation, gain=1.0)


class ResidualBlock(nn.Module):
    """StyleGAN2's discriminator block: two convolutions beside a 1 × 1 skip, half the size, unit variance."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv0 = Conv(in_channels, in_channels)
        self.conv1 = Conv(in_channels, out_channels, down=2, gain=math.sqrt(0.5))
        self.skip = Conv(in_channels, out_channels, kernel=1, down=2, activation="linear", bias=False, gain=math.sqrt(0.5))

    def forward(self, x: Float[Tensor, "batch in_channels height width"]) -> Float[Tensor, "batch out_channels out_height out_width"]:
        return self.skip(x) + self.conv1(self.conv0(x))
