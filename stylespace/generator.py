"""StyleGAN2's generator (Karras et al. 2020) with every step open: z → w → w+ → s → image.

Tensor names follow the common checkpoints (`mapping.fc0.weight`, `synthesis.b8.conv0.affine.bias`, …). The style code s is a value of
its own: whatever edits a picture edits s, and equal s gives an equal picture, bit for bit, because the noise is a buffer unless asked
otherwise. Labels, the three architectures and the clamp are those of StyleGAN2 with adaptive augmentation (Karras et al. 2020b).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cuda_ops.bias_act import DEFAULT_GAIN, LRELU_SLOPE
from cuda_ops.modulated_conv import styled_conv2d, to_rgb
from cuda_ops.precision import Precision, activation_dtype
from cuda_ops.upfirdn2d import upsample2d
from stylespace.border import PIXELS, replicated, upsampled, within
from stylespace.code import FIRST_RESOLUTION, Architecture, StyleLayer, StyleLayout, channels_at, resolutions_of
from stylespace.layers import Linear

Noise = Literal["const", "none"] | torch.Generator
"""const: the generator's own noise pictures. none: no noise. A CPU generator: fresh noise, drawn from it."""

RESIDUAL_GAIN = math.sqrt(0.5)
"""Of both branches of a resnet block: keeps the variance of their sum."""


def normalise_second_moment(x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
    """Scale every row to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Mapping(nn.Module):
    """z (beside an embedded label) → w through `layers` fully connected layers. Keeps the average w in `w_avg`."""

    def __init__(self, z_dim: int, w_dim: int, layers: int, rate: float, width: int, label_dim: int, label_width: int):
        super().__init__()
        self.layers, self.label_dim = layers, label_dim
        if label_dim:
            self.embed = Linear(label_dim, label_width)
        first = z_dim + (label_width if label_dim else 0)
        widths = [first, *[width] * (layers - 1), w_dim]
        for index in range(layers):
            setattr(self, f"fc{index}", Linear(widths[index], widths[index + 1], "lrelu", rate))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self, z: Float[Tensor, "batch z_dim"], label: Float[Tensor, "batch label_dim"] | None = None
    ) -> Float[Tensor, "batch w_dim"]:
        x = normalise_second_moment(z)
        if self.label_dim:
            if label is None:
                raise ValueError(f"this generator is conditional: give every z a label of {self.label_dim} numbers (one-hot)")
            x = torch.cat([x, normalise_second_moment(self.embed(label))], dim=1)
        elif label is not None:
            raise ValueError("this generator knows no labels; leave the label out")
        for index in range(self.layers):
            x = getattr(self, f"fc{index}")(x)
        return x


class SynthesisConv(nn.Module):
    """Modulated 3 × 3 convolution, noise, bias, leaky ReLU with `gain` on its output, clamp (at clamp · gain). replicate: what it reads
    goes on beyond its border (stylespace.border)."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: int,
        use_noise: bool = True, clamp: float | None = None, replicate: bool = False, gain: float = 1.0,
    ):  # fmt: skip
        super().__init__()
        self.resolution, self.up, self.use_noise, self.replicate = resolution, up, use_noise, replicate
        self.gain, self.clamp = DEFAULT_GAIN["lrelu"] * gain, None if clamp is None else clamp * gain
        self.affine = Linear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        if use_noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def noise_of(self, x: Float[Tensor, "batch _ _ _"], noise: Noise) -> Float[Tensor, "#batch 1 resolution resolution"] | None:
        """The noise that this layer adds, with its strength."""
        if not self.use_noise or noise == "none":
            return None
        if isinstance(noise, torch.Generator):
            fresh = torch.randn(x.shape[0], 1, self.resolution, self.resolution, generator=noise)
            return fresh.to(x.device, x.dtype) * self.noise_strength
        return (self.noise_const * self.noise_strength)[None, None]

    def forward(
        self, x: Float[Tensor, "batch in_channels height width"], style: Float[Tensor, "batch in_channels"], noise: Noise
    ) -> Float[Tensor, "batch out_channels resolution resolution"]:
        added = self.noise_of(x, noise)
        if self.replicate:
            x, added = replicated(x), None if added is None else functional.pad(added, (self.up * PIXELS,) * 4)
        y = styled_conv2d(x, self.weight, style, added, self.bias, self.up, gain=self.gain, slope=LRELU_SLOPE, clamp=self.clamp)
        return within(y, self.up) if self.replicate else y


class ToRGB(nn.Module):
    """Modulated 1 × 1 convolution to three colours, without demodulation; s is taken before the 1 / √channels. replicate: the
    smaller picture goes on beyond its border."""

    def __init__(self, in_channels: int, w_dim: int, clamp: float | None = None, replicate: bool = False):
        super().__init__()
        self.affine = Linear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.style_gain, self.clamp, self.replicate = 1.0 / math.sqrt(in_channels), clamp, replicate

    def forward(
        self,
        x: Float[Tensor, "batch in_channels height width"],
        style: Float[Tensor, "batch in_channels"],
        image: Float[Tensor, "batch 3 half_height half_width"] | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        apart = self.replicate and image is not None
        colours = to_rgb(x, self.weight, style * self.style_gain, self.bias, None if apart else image, self.clamp)
        return colours + upsampled(image) if apart else colours


class Skip(nn.Module):
    """The short branch of a resnet block: a plain 1 × 1 convolution, upsampled, where `replicate` says so beyond the border as well."""

    def __init__(self, in_channels: int, out_channels: int, replicate: bool = False):
        super().__init__()
        self.upsample = upsampled if replicate else upsample2d
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.weight_gain = RESIDUAL_GAIN / math.sqrt(in_channels)

    def forward(self, x: Float[Tensor, "batch in_channels height width"]) -> Float[Tensor, "batch out_channels out_height out_width"]:
        return self.upsample(functional.conv2d(x, (self.weight * self.weight_gain).to(x.dtype)))


class Activations(NamedTuple):
    """What a style layer hands to the next: feature maps, the picture so far, and (conv0 to conv1 of a resnet block) the short branch."""

    x: Float[Tensor, "batch channels height width"]
    image: Float[Tensor, "batch 3 _ _"] | None = None
    short: Float[Tensor, "batch channels height width"] | None = None


class SynthesisBlock(nn.Module):
    """One resolution: the constant (4²) or an up-convolution, a convolution, and the colours added to the upsampled picture.

    Only in the skip architecture does every block draw colours; in the other two the last one does.
    """

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, resolution: int, is_last: bool = False,
        architecture: Architecture = "skip", use_noise: bool = True, clamp: float | None = None, replicate: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.residual = architecture == "resnet" and resolution > FIRST_RESOLUTION
        self.colours = is_last or architecture == "skip"
        if resolution == FIRST_RESOLUTION:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisConv(in_channels, out_channels, w_dim, resolution, 2, use_noise, clamp, replicate)
        gain = RESIDUAL_GAIN if self.residual else 1.0
        self.conv1 = SynthesisConv(out_channels, out_channels, w_dim, resolution, 1, use_noise, clamp, replicate, gain)
        if self.colours:
            self.torgb = ToRGB(out_channels, w_dim, clamp, replicate)
        if self.residual:
            self.skip = Skip(in_channels, out_channels, replicate)

    def step(self, name: str, before: Activations, style: Float[Tensor, "batch width"], noise: Noise) -> Activations:
        """One style layer: conv0 (not at 4²), conv1 or torgb (where there is one)."""
        x, image, short = before
        if name == "torgb":
            return Activations(x, self.torgb(x, style, image))
        if name == "conv0":
            return Activations(self.conv0(x, style, noise), image, self.skip(x) if self.residual else None)
        x = self.conv1(x, style, noise)
        return Activations(x if short is None else short + x, image)


class Synthesis(nn.Module):
    """s → image, of the full resolution or (skip architecture) of a lower block's."""

    def __init__(
        self, resolution: int, w_dim: int, channel_base: int, channel_max: int,
        architecture: Architecture = "skip", use_noise: bool = True, clamp: float | None = None, channel_min: int = 1,
        replicate_from: int | None = None,
    ):  # fmt: skip
        super().__init__()
        self.resolutions = resolutions_of(resolution)
        self.architecture = architecture
        previous = 0
        for size in self.resolutions:
            width = channels_at(size, channel_base, channel_max, channel_min)
            replicate = replicate_from is not None and size >= replicate_from
            block = SynthesisBlock(previous, width, w_dim, size, size == resolution, architecture, use_noise, clamp, replicate)
            setattr(self, f"b{size}", block)
            previous = width

    def start(self, batch: int, precision: Precision = "exact") -> Activations:
        """The learned constant: what the first style layer reads. Activations keep its type."""
        const = self.b4.const.to(activation_dtype(precision, self.b4.const))
        return Activations(const.expand(batch, -1, -1, -1).contiguous(memory_format=torch.channels_last))

    def step(self, layer: StyleLayer, before: Activations, style: Float[Tensor, "batch width"], noise: Noise) -> Activations:
        """One style layer: whoever keeps its answers may start again from any of them (`stylespace.replay`)."""
        block, name = layer.name.split(".")
        return getattr(self, block).step(name, before, style, noise)

    def forward(
        self,
        layers: Sequence[StyleLayer],
        styles: list[Tensor],
        noise: Noise,
        resolution: int | None = None,
        precision: Precision = "exact",
    ) -> Float[Tensor, "batch 3 height width"]:
        full = self.resolutions[-1]
        last = full if resolution is None else resolution
        if self.architecture != "skip" and last < full:
            raise ValueError(f"the {self.architecture} architecture draws colours at {full} px only, so it cannot stop at {last}")
        activations = self.start(styles[0].shape[0], precision)
        for layer, style in zip(layers, styles, strict=True):
            if layer.resolution <= last:
                activations = self.step(layer, activations, style, noise)
        return activations.image.contiguous()


class Generator(nn.Module):
    """StyleGAN2 at `resolution` px with min(channel_base / r, channel_max) feature maps at resolution r, and at least channel_min.

    label_dim: numbers of a label, 0 for none; it is embedded in `label_width` numbers. mapping_width: between the mapping's layers. Both
    widths are w_dim unless given. conv_clamp: largest magnitude that a convolution may put out. replicate_from: from this resolution on,
    what layers read goes on beyond its border as it ends there (stylespace.border); nowhere, as StyleGAN2 has it, when left out.
    """

    def __init__(
        self,
        resolution: int,
        z_dim: int = 512,
        w_dim: int = 512,
        channel_base: int = 32768,
        channel_max: int = 512,
        mapping_layers: int = 8,
        mapping_rate: float = 0.01,
        label_dim: int = 0,
        architecture: Architecture = "skip",
        conv_clamp: float | None = None,
        use_noise: bool = True,
        mapping_width: int | None = None,
        label_width: int | None = None,
        channel_min: int = 1,
        replicate_from: int | None = None,
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
            "label_dim": label_dim,
            "architecture": architecture,
            "conv_clamp": conv_clamp,
            "use_noise": use_noise,
            "mapping_width": mapping_width,
            "label_width": label_width,
            "channel_min": channel_min,
            "replicate_from": replicate_from,
        }
        self.resolution, self.z_dim, self.w_dim, self.label_dim = resolution, z_dim, w_dim, label_dim
        self.style_layout = StyleLayout(resolution, channel_base, channel_max, architecture, channel_min)
        self.mapping = Mapping(z_dim, w_dim, mapping_layers, mapping_rate, mapping_width or w_dim, label_dim, label_width or w_dim)
        self.synthesis = Synthesis(
            resolution, w_dim, channel_base, channel_max, architecture, use_noise, conv_clamp, channel_min, replicate_from
        )

    @property
    def num_ws(self) -> int:
        return self.style_layout.num_ws

    @property
    def w_avg(self) -> Float[Tensor, " w_dim"]:
        """The average w (a buffer; training updates it in place)."""
        return self.mapping.w_avg

    def map(self, z: Float[Tensor, "batch z_dim"], label: Float[Tensor, "batch label_dim"] | None = None) -> Float[Tensor, "batch w_dim"]:
        return self.mapping(z, label)

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
        self,
        s: Float[Tensor, "batch style_dim"],
        noise: Noise = "const",
        resolution: int | None = None,
        precision: Precision = "exact",
    ) -> Float[Tensor, "batch 3 height width"]:
        """The picture of a style code, about [−1, 1] (not clamped), in the weights' type. resolution: stop at this block."""
        return self.synthesis(self.style_layout.layers, self.style_layout.split(s), noise, resolution, precision)

    def forward(
        self,
        z: Float[Tensor, "batch z_dim"],
        psi: float = 1.0,
        noise: Noise = "const",
        label: Float[Tensor, "batch label_dim"] | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        return self.synthesise(self.styles(self.broadcast(self.truncate(self.map(z, label), psi))), noise)
