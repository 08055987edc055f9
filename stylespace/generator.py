"""StyleGAN2's generator (Karras et al. 2020, skip architecture) with every step open: z → w → w+ → s → image.

Tensor names follow the common checkpoints (`mapping.fc0.weight`, `synthesis.b8.conv0.affine.bias`, …). The style code s is a value of
its own: whatever edits a picture edits s, and equal s gives an equal picture, bit for bit, because the noise is a buffer unless asked
otherwise.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cuda_ops.bias_act import DEFAULT_GAIN, LRELU_SLOPE
from cuda_ops.modulated_conv import modulated_conv2d
from cuda_ops.upfirdn2d import upsample2d
from stylespace.code import FIRST_RESOLUTION, StyleLayer, StyleLayout, channels_at, resolutions_of
from stylespace.layers import Linear

Noise = Literal["const", "none"] | torch.Generator
"""const: the generator's own noise pictures. none: no noise. A CPU generator: fresh noise, drawn from it."""


class Mapping(nn.Module):
    """z → w: the second moment of z is normalised, then `layers` fully connected layers. Keeps the average w in `w_avg`."""

    def __init__(self, z_dim: int, w_dim: int, layers: int, rate: float):
        super().__init__()
        self.layers = layers
        for index in range(layers):
            setattr(self, f"fc{index}", Linear(z_dim if index == 0 else w_dim, w_dim, "lrelu", rate))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Float[Tensor, "batch z_dim"]) -> Float[Tensor, "batch w_dim"]:
        x = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for index in range(self.layers):
            x = getattr(self, f"fc{index}")(x)
        return x


class SynthesisConv(nn.Module):
    """Modulated 3 × 3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: int):
        super().__init__()
        self.resolution, self.up = resolution, up
        self.affine = Linear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(
        self, x: Float[Tensor, "batch in_channels height width"], style: Float[Tensor, "batch in_channels"], noise: Noise
    ) -> Float[Tensor, "batch out_channels resolution resolution"]:
        # Leaky ReLU commutes with its gain, so the gain goes into the factors that are there anyway.
        gain = DEFAULT_GAIN["lrelu"]
        shift = (self.bias * gain).view(1, 1, 1, -1)
        if isinstance(noise, torch.Generator):
            fresh = torch.randn(x.shape[0], self.resolution, self.resolution, 1, generator=noise)
            shift = shift + fresh.to(x.device, x.dtype) * (self.noise_strength * gain)
        elif noise == "const":
            shift = shift + self.noise_const[None, :, :, None] * (self.noise_strength * gain)
        shift = shift.permute(0, 3, 1, 2)  # channels_last, like x
        x = modulated_conv2d(x, self.weight, style, up=self.up, shift=shift, gain=gain)
        return functional.leaky_relu_(x, LRELU_SLOPE)


class ToRGB(nn.Module):
    """Modulated 1 × 1 convolution to three colours, without demodulation; s is taken before the 1 / √channels."""

    def __init__(self, in_channels: int, w_dim: int):
        super().__init__()
        self.affine = Linear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.style_gain = 1.0 / math.sqrt(in_channels)

    def forward(
        self, x: Float[Tensor, "batch in_channels height width"], style: Float[Tensor, "batch in_channels"]
    ) -> Float[Tensor, "batch 3 height width"]:
        return modulated_conv2d(x, self.weight, style * self.style_gain, demodulate=False, shift=self.bias.view(1, 3, 1, 1))


class SynthesisBlock(nn.Module):
    """One resolution: the constant (4²) or an up-convolution, a convolution, and the colours added to the upsampled picture."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int):
        super().__init__()
        if resolution == FIRST_RESOLUTION:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisConv(in_channels, out_channels, w_dim, resolution, up=2)
        self.conv1 = SynthesisConv(out_channels, out_channels, w_dim, resolution, up=1)
        self.torgb = ToRGB(out_channels, w_dim)

    def forward(self, x: Tensor | None, image: Tensor | None, styles: list[Tensor], noise: Noise) -> tuple[Tensor, Tensor]:
        if x is None:
            batch = styles[0].shape[0]
            x = self.const.expand(batch, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            x = self.conv0(x, styles[0], noise)
        x = self.conv1(x, styles[-2], noise)
        colours = self.torgb(x, styles[-1])
        return x, colours if image is None else upsample2d(image) + colours


class Synthesis(nn.Module):
    """s → image, of the full resolution or of a lower block's."""

    def __init__(self, resolution: int, w_dim: int, channel_base: int, channel_max: int):
        super().__init__()
        self.resolutions = resolutions_of(resolution)
        previous = 0
        for size in self.resolutions:
            width = channels_at(size, channel_base, channel_max)
            setattr(self, f"b{size}", SynthesisBlock(previous, width, w_dim, size))
            previous = width

    def forward(self, styles: list[Tensor], noise: Noise, resolution: int | None = None) -> Float[Tensor, "batch 3 height width"]:
        x = image = None
        start = 0
        for size in self.resolutions:
            if resolution is not None and size > resolution:
                break
            count = 2 if size == FIRST_RESOLUTION else 3
            x, image = getattr(self, f"b{size}")(x, image, styles[start : start + count], noise)
            start += count
        return image.contiguous()


class Generator(nn.Module):
    """StyleGAN2 at `resolution` px with min(channel_base / r, channel_max) feature maps at resolution r."""

    def __init__(
        self,
        resolution: int,
        z_dim: int = 512,
        w_dim: int = 512,
        channel_base: int = 32768,
        channel_max: int = 512,
        mapping_layers: int = 8,
        mapping_rate: float = 0.01,
    ):
        super().__init__()
        self.arguments: dict[str, Any] = {
            "resolution": resolution,
            "z_dim": z_dim,
            "w_dim": w_dim,
            "channel_base": channel_base,
            "channel_max": channel_max,
            "mapping_layers": mapping_layers,
            "mapping_rate": mapping_rate,
        }
        self.resolution, self.z_dim, self.w_dim = resolution, z_dim, w_dim
        self.style_layout = StyleLayout(resolution, channel_base, channel_max)
        self.mapping = Mapping(z_dim, w_dim, mapping_layers, mapping_rate)
        self.synthesis = Synthesis(resolution, w_dim, channel_base, channel_max)

    @property
    def num_ws(self) -> int:
        return self.style_layout.num_ws

    @property
    def w_avg(self) -> Float[Tensor, " w_dim"]:
        """The average w (a buffer; training updates it in place)."""
        return self.mapping.w_avg

    def map(self, z: Float[Tensor, "batch z_dim"]) -> Float[Tensor, "batch w_dim"]:
        return self.mapping(z)

    def truncate(self, w: Float[Tensor, "batch *ws w_dim"], psi: float) -> Float[Tensor, "batch *ws w_dim"]:
        """Pull w (or w+) towards the average: psi = 1 changes nothing, 0 is the average picture."""
        return w if psi == 1.0 else torch.lerp(self.w_avg.expand_as(w), w, psi)

    def broadcast(self, w: Float[Tensor, "batch w_dim"]) -> Float[Tensor, "batch num_ws w_dim"]:
        """One w for every layer."""
        return w[:, None].expand(-1, self.num_ws, -1)

    def affine(self, layer: StyleLayer) -> Linear:
        """The style affine that makes this layer's part of s."""
        return self.synthesis.get_submodule(f"{layer.name}.affine")

    def styles(self, w_plus: Float[Tensor, "batch num_ws w_dim"]) -> Float[Tensor, "batch style_dim"]:
        """All style affines, in execution order."""
        ws = w_plus.unbind(dim=1)
        return torch.cat([self.affine(layer)(ws[layer.w_index]) for layer in self.style_layout.layers], dim=1)

    def synthesise(
        self, s: Float[Tensor, "batch style_dim"], noise: Noise = "const", resolution: int | None = None
    ) -> Float[Tensor, "batch 3 height width"]:
        """The picture of a style code, about [−1, 1] (not clamped). resolution: stop at this block."""
        return self.synthesis(self.style_layout.split(s), noise, resolution)

    def forward(
        self, z: Float[Tensor, "batch z_dim"], psi: float = 1.0, noise: Noise = "const"
    ) -> Float[Tensor, "batch 3 height width"]:
        return self.synthesise(self.styles(self.broadcast(self.truncate(self.map(z), psi))), noise)
