"""The algorithm as it was published (Karras et al. 2020, with adaptive augmentation 2020b), on the weights of our `Generator`.

This is what everything here is compared with, so it does what the published code does and nothing cleverer: one weight tensor per
sample, modulated and demodulated; one convolution with the batch folded into groups; transposed convolution of stride 2, then the
4 × 4 FIR as a depthwise convolution; inserted zeros, padding and the same FIR to enlarge the picture; noise, bias, leaky ReLU and
gain as separate operators; contiguous tensors. The published code trains with the other form of equation 3, which it calls not fused:
activations are scaled instead of weights. `per_sample=False` is that.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from stylespace.generator import Generator, SynthesisConv, ToRGB


def synthesise(
    generator: Generator, s: Float[Tensor, "batch style_dim"], dtype: torch.dtype | None = None, per_sample: bool = True
) -> Float[Tensor, "batch 3 height width"]:
    """The picture of a style code, with the generator's own noise. dtype: of activations and weights; None is the weights' own.

    The picture is summed in float32 (or wider). Raises ValueError for architectures other than skip.
    """
    if generator.synthesis.architecture != "skip":
        raise ValueError(f"the published algorithm is written for the skip architecture, not {generator.synthesis.architecture}")
    styles = iter(generator.style_layout.split(s))
    x = image = None
    for size in generator.synthesis.resolutions:
        block = getattr(generator.synthesis, f"b{size}")
        if x is None:
            x = block.const.to(dtype or block.const.dtype)[None].repeat(s.shape[0], 1, 1, 1)
        else:
            x = styled_layer(block.conv0, x, next(styles), per_sample)
        x = styled_layer(block.conv1, x, next(styles), per_sample)
        colours = to_rgb(block.torgb, x, next(styles), per_sample).to(s.dtype)
        image = colours if image is None else zero_stuffed_fir(image, up=2, padding=(2, 1), gain=4.0) + colours
    return image


def styled_layer(
    layer: SynthesisConv,
    x: Float[Tensor, "batch in_channels height width"],
    style: Float[Tensor, "batch in_channels"],
    per_sample: bool = True,
) -> Float[Tensor, "batch out_channels resolution resolution"]:
    convolve = modulated_conv if per_sample else scaled_conv
    x = convolve(x, layer.weight, style, demodulate=True, up=layer.up)
    if layer.use_noise:
        x = x + (layer.noise_const * layer.noise_strength).to(x.dtype)
    x = x + layer.bias.to(x.dtype)[None, :, None, None]
    x = functional.leaky_relu(x, 0.2) * layer.gain
    return x if layer.clamp is None else x.clamp(-layer.clamp, layer.clamp)


def to_rgb(
    layer: ToRGB, x: Float[Tensor, "batch in_channels height width"], style: Float[Tensor, "batch in_channels"], per_sample: bool = True
) -> Float[Tensor, "batch 3 height width"]:
    convolve = modulated_conv if per_sample else scaled_conv
    x = convolve(x, layer.weight, style / math.sqrt(style.shape[1]), demodulate=False, up=1)
    x = x + layer.bias.to(x.dtype)[None, :, None, None]
    return x if layer.clamp is None else x.clamp(-layer.clamp, layer.clamp)


def modulated_conv(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels kernel kernel"],
    style: Float[Tensor, "batch in_channels"],
    demodulate: bool,
    up: int,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """Equations 1 and 3: every sample has weights of its own, and the batch becomes groups of one convolution."""
    batch, in_channels, height, width = x.shape
    out_channels, _, kernel, _ = weight.shape
    weights = weight[None] * style[:, None, :, None, None]
    if demodulate:
        weights = weights * (weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    weights = weights.to(x.dtype)
    x = x.reshape(1, batch * in_channels, height, width)
    if up == 1:
        x = functional.conv2d(x, weights.flatten(0, 1), padding=kernel // 2, groups=batch)
    else:
        x = functional.conv_transpose2d(x, weights.transpose(1, 2).flatten(0, 1), stride=2, groups=batch)
    x = x.reshape(batch, out_channels, *x.shape[2:])
    return x if up == 1 else zero_stuffed_fir(x, up=1, padding=(1, 1), gain=4.0)


def scaled_conv(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels kernel kernel"],
    style: Float[Tensor, "batch in_channels"],
    demodulate: bool,
    up: int,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """The same sums with one weight for all samples: inputs are scaled by the style and outputs by the demodulation."""
    x = x * style.to(x.dtype)[:, :, None, None]
    shared = weight.to(x.dtype)
    if up == 1:
        x = functional.conv2d(x, shared, padding=weight.shape[2] // 2)
    else:
        x = zero_stuffed_fir(functional.conv_transpose2d(x, shared.transpose(0, 1), stride=2), up=1, padding=(1, 1), gain=4.0)
    if not demodulate:
        return x
    weights = weight[None] * style[:, None, :, None, None]
    return x * (weights.square().sum(dim=(2, 3, 4)) + 1e-8).rsqrt().to(x.dtype)[:, :, None, None]


def zero_stuffed_fir(
    x: Float[Tensor, "batch channels height width"], up: int, padding: tuple[int, int], gain: float
) -> Float[Tensor, "batch channels out_height out_width"]:
    """up − 1 zeros after each pixel, zeros around (before, after, on both axes), then all 16 taps of the filter for every channel."""
    batch, channels, height, width = x.shape
    if up > 1:
        x = functional.pad(x.reshape(batch, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(batch, channels, height * up, width * up)
    x = functional.pad(x, (*padding, *padding))
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype, device=x.device)
    taps = torch.outer(line, line) * (gain / 64)
    return functional.conv2d(x, taps.expand(channels, 1, 4, 4), groups=channels)
