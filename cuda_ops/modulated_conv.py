"""StyleGAN2's modulated convolution (Karras et al. 2020, equations 1 and 3), by scaling activations.

Contract: the weight of each sample is `w[o,i,k] · s[i]`, and with demodulation divided by its root of the sum of squares over
(i, k). Scaling the input by s and the output by `1 / √(s² · Σ_k w²ᵀ)` is the same sum, with one convolution for the whole batch and far
less memory traffic. The convolution stays torch's own, so gradients of every order exist.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops.upfirdn2d import blur2d

DEMODULATION_EPSILON = 1e-8


def modulated_conv2d(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels kernel kernel"],
    style: Float[Tensor, "batch in_channels"],
    demodulate: bool = True,
    up: int = 1,
    shift: Float[Tensor, "#batch #out_channels #out_height #out_width"] | None = None,
    gain: float = 1.0,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """gain · convolution + shift, of the same size (up = 1) or twice it (up = 2: stride-2 transposed convolution, then the FIR, gain 4).

    shift (bias and noise, already multiplied by the gain) is added in the pass that demodulates.
    """
    if up not in (1, 2):
        raise ValueError(f"modulated_conv2d has up = 1 or 2, not {up}")
    if weight.shape[2] == 1 and up == 1 and not demodulate:
        return _pointwise(x, weight[:, :, 0, 0] * gain, style, shift)
    x = x * style[:, :, None, None]
    if up == 1:
        x = functional.conv2d(x, weight, padding=weight.shape[2] // 2)
    else:
        x = blur2d(functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2), 1, 1, gain=4.0)
    if demodulate:
        factor = demodulation(weight, style)[:, :, None, None] * gain
        x = x * factor
        return x if shift is None else x.add_(shift)  # in place: nothing needs the product itself for a gradient
    x = x if gain == 1.0 else x * gain
    return x if shift is None else x + shift


def _pointwise(x: Tensor, weight: Tensor, style: Tensor, shift: Tensor | None) -> Tensor:
    """1 × 1: for few outputs it is cheaper to scale each sample's weights than its activations."""
    batch, _, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    x = pixels @ (weight * style[:, None]).transpose(1, 2)
    x = x.unflatten(1, (height, width)).permute(0, 3, 1, 2)
    return x if shift is None else x + shift


def demodulation(
    weight: Float[Tensor, "out_channels in_channels kernel kernel"], style: Float[Tensor, "batch in_channels"]
) -> Float[Tensor, "batch out_channels"]:
    """1 / √(Σ_{i,k} (w s)² + ε): one number per sample and output channel."""
    return (style.square() @ weight.square().sum(dim=(2, 3)).t() + DEMODULATION_EPSILON).rsqrt()
