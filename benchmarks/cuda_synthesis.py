"""The synthesis network as the CUDA kernels want it: few launches, few passes over memory, float16 or bfloat16 in channels_last.

Per layer: (input · style) → cuDNN convolution → epilogue; a 1 × 1 layer per block adds the colours. Four things keep passes and
launches few:
* the epilogue of a block's first layer multiplies with the style of the second, so that no pass does;
* at batch 1 the style goes into the weights where these are smaller than the activations;
* the demodulations of all layers are one batched product, computed before the first layer;
* float16 has no room for the sums of raw weights and styles: both are scaled to a maximum of 1 (Karras et al. 2020b, appendix), which the
  demodulation undoes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cuda_ops.bias_act import LRELU_SLOPE
from stylespace.generator import Generator, SynthesisConv, ToRGB

EPSILON = 1e-8
NO_CLAMP = -1.0


@dataclass(frozen=True)
class Layer:
    """What of a synthesis layer does not depend on the style. weight: [out, in, 3, 3], for up = 2 [in, out, 3, 3], as torch's convolutions
    take it; of the activations' type, channels_last."""

    weight: Tensor
    noise: Tensor | None
    bias: Tensor
    up: int
    gain: float
    clamp: float


class FusedSynthesis:
    """s → image, for skip generators. operators: cuda_ops_cuda's, or their twin on the host."""

    def __init__(self, generator: Generator, dtype: torch.dtype, operators: Any):
        if generator.synthesis.architecture != "skip":
            raise ValueError(f"only the skip architecture is arranged here, not {generator.synthesis.architecture}")
        self.operators, self.dtype = operators, dtype
        blocks = [getattr(generator.synthesis, f"b{size}") for size in generator.synthesis.resolutions]
        self.const = blocks[0].const.to(dtype)[None].contiguous(memory_format=torch.channels_last)
        self.blocks: list[tuple[list[Layer], ToRGB]] = []
        squares, modules, self.places = [], [], []
        offset = 0
        for block in blocks:
            convolutions = [module for module in (getattr(block, "conv0", None), block.conv1) if module is not None]
            for module in convolutions:
                squares.append((module.weight / _largest(module.weight)).square().sum(dim=(2, 3)).t())
                modules.append(module)
                self.places.append((offset, module.weight.shape[1]))
                offset += module.weight.shape[1]
            self.blocks.append(([self._prepare(module) for module in convolutions], block.torgb))
            self.places.append((offset, block.torgb.weight.shape[1]))
            offset += block.torgb.weight.shape[1]
        self._stack(squares, modules, generator.style_layout.style_dim)

    def _prepare(self, module: SynthesisConv) -> Layer:
        weight = (module.weight / _largest(module.weight)).to(self.dtype)
        weight = (weight.transpose(0, 1) if module.up == 2 else weight).contiguous(memory_format=torch.channels_last)
        noise = (module.noise_const * module.noise_strength)[None, None].contiguous() if module.use_noise else None
        return Layer(weight, noise, module.bias.float(), module.up, module.gain, NO_CLAMP if module.clamp is None else module.clamp)

    def _stack(self, squares: list[Tensor], modules: list[SynthesisConv], style_dim: int) -> None:
        """Σ_k w² of all layers as one [layers, in, out], padded with zeros; and where each layer's style lies in (s, 0)."""
        widest = max(max(plane.shape) for plane in squares)
        self.squares = squares[0].new_zeros(len(squares), widest, widest)
        places = torch.full((len(squares), widest), style_dim)
        convolutions = [place for place, is_rgb in zip(self.places, self._is_rgb(), strict=True) if not is_rgb]
        for index, (plane, (offset, width)) in enumerate(zip(squares, convolutions, strict=True)):
            self.squares[index, : plane.shape[0], : plane.shape[1]] = plane
            places[index, :width] = torch.arange(offset, offset + width)
        self.widths = [(module.weight.shape[1], module.weight.shape[0]) for module in modules]
        self.index = places.flatten().to(self.squares.device)

    def _is_rgb(self) -> list[bool]:
        return [is_rgb for layers, _ in self.blocks for is_rgb in [False] * len(layers) + [True]]

    def demodulate(self, s: Float[Tensor, "batch style_dim"]) -> tuple[list[Tensor], list[Tensor]]:
        """Styles with a maximum of 1, and factors after the convolution, of all layers that have one."""
        padded = functional.pad(s.float(), (0, 1))
        styles = padded.index_select(1, self.index).unflatten(1, self.squares.shape[:2]).transpose(0, 1)
        styles = styles / styles.abs().amax(dim=2, keepdim=True).clamp(min=EPSILON)
        factors = (styles.square() @ self.squares + EPSILON).rsqrt()
        each = range(len(self.widths))
        return [styles[k, :, : self.widths[k][0]] for k in each], [factors[k, :, : self.widths[k][1]] for k in each]

    def __call__(self, s: Float[Tensor, "batch style_dim"]) -> Float[Tensor, "batch 3 height width"]:
        styles, factors = self.demodulate(s)
        rgb_places = [place for place, is_rgb in zip(self.places, self._is_rgb(), strict=True) if is_rgb]
        x, image, index = self.const.expand(s.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last), None, 0
        for (layers, torgb), (offset, width) in zip(self.blocks, rgb_places, strict=True):
            scaled = False  # whether the layer before has multiplied with this one's style
            for position, layer in enumerate(layers):
                style, factor = styles[index], factors[index]
                following = styles[index + 1] if position + 1 < len(layers) else None
                x = self._layer(layer, x, None if scaled else style, factor, following)
                scaled, index = following is not None, index + 1
            style = s[:, offset : offset + width] * (1.0 / math.sqrt(width))
            clamp = NO_CLAMP if torgb.clamp is None else torgb.clamp
            image = self.operators.to_rgb(x, torgb.weight, style, torgb.bias, image, clamp)
        return image

    def _layer(self, layer: Layer, x: Tensor, style: Tensor | None, factor: Tensor, following: Tensor | None) -> Tensor:
        weight = layer.weight
        if style is not None and x.shape[0] == 1 and weight.numel() < x.numel():
            weight = weight * style.to(self.dtype).view((-1, 1, 1, 1) if layer.up == 2 else (1, -1, 1, 1))
        elif style is not None:
            x = self.operators.epilogue(x, style, None, None, False, 1.0, 1.0, NO_CLAMP)
        if layer.up == 2:
            x = functional.conv_transpose2d(x, weight, stride=2)
        else:
            x = functional.conv2d(x, weight, padding=1)
        end = (layer.up == 2, LRELU_SLOPE, layer.gain, layer.clamp)
        if following is None:
            return self.operators.epilogue(x, factor, layer.noise, layer.bias, *end)
        return self.operators.epilogue_styled(x, factor, layer.noise, layer.bias, following, *end)


def _largest(weight: Float[Tensor, "out in height width"]) -> Float[Tensor, "out 1 1 1"]:
    """Per output channel, so that the demodulation undoes it; with 1 / √(9 · in), so that float16 holds the sum."""
    return weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=EPSILON) * math.sqrt(weight[0].numel())
