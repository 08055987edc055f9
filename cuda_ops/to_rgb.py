"""The colours of a synthesis block plus the picture so far at twice its size, in one pass over the activations. Without gradients.

Contract: `y = clamp(Σ_i weight[·, i] · style[i] · x[i] + bias, ±clamp) + upsample2d(image)`. Pictures are the sum of all blocks and
therefore float32 and contiguous whatever x is (float64 where x is).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops import native
from cuda_ops.bias_act import UNCLAMPED, widened
from cuda_ops.layout import dense
from cuda_ops.upfirdn2d import FIR_PLANE
from cuda_ops.upfirdn2d import reference as upfirdn2d_reference


def fused_to_rgb(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "3 in_channels 1 1"],
    style: Float[Tensor, "batch in_channels"],
    bias: Float[Tensor, "3"] | None = None,
    image: Float[Tensor, "batch 3 half_height half_width"] | None = None,
    clamp: float | None = None,
) -> Float[Tensor, "batch 3 height width"]:
    """clamp(modulated 1 × 1 convolution + bias, ±clamp) + image at twice its size."""
    call = _forward if native.unobserved(x, weight, style, bias, image) else torch.ops.cuda_ops.to_rgb.default
    return call(x, weight, style, bias, image, UNCLAMPED if clamp is None else clamp)


def reference(x: Tensor, weight: Tensor, style: Tensor, bias: Tensor | None, image: Tensor | None, clamp: float) -> Tensor:
    """The definition, in torch."""
    y = widened(x)
    own = weight.to(y.dtype)[None, :, :, 0, 0] * style.to(y.dtype)[:, None]
    y = torch.einsum("noi,nihw->nohw", own, y)
    if bias is not None:
        y = y + bias.to(y.dtype)[:, None, None]
    if clamp >= 0:
        y = y.clamp(-clamp, clamp)
    if image is not None:
        y = y + upfirdn2d_reference(image.to(y.dtype), FIR_PLANE, 2, 1, (2, 1, 2, 1), False, 4.0)
    return y.contiguous()


torch.library.define("cuda_ops::to_rgb", "(Tensor x, Tensor weight, Tensor style, Tensor? bias, Tensor? image, float clamp) -> Tensor")


def _forward(x: Tensor, weight: Tensor, style: Tensor, bias: Tensor | None, image: Tensor | None, clamp: float) -> Tensor:
    x = dense(x)
    if not native.usable(x):
        return reference(x, weight, style, bias, image, clamp)
    parameters = (native.parameter(value) for value in (weight, style, bias, image))
    return native.operators(x).to_rgb(x, *parameters, clamp)


@torch.library.register_fake("cuda_ops::to_rgb")
def _fake(x: Tensor, weight: Tensor, style: Tensor, bias: Tensor | None, image: Tensor | None, clamp: float) -> Tensor:
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return x.new_empty((x.shape[0], weight.shape[0], *x.shape[2:]), dtype=dtype)


torch.library.impl("cuda_ops::to_rgb", "default", _forward)
