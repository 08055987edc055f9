"""Which numbers of a style code belong to which layer.

The style code s (Wu et al. 2021, StyleSpace) is the concatenation of the outputs of all style affines in the order in which synthesis
reads them: 4² conv1, 4² toRGB, then conv0, conv1, toRGB of every further resolution. At 1024 px with 32,768 / resolution
channels, at most 512, that makes 26 layers and 9,088 numbers. Architectures without a picture per resolution (orig, resnet) have toRGB at
the end only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

FIRST_RESOLUTION = 4

Architecture = Literal["skip", "resnet", "orig"]
"""skip: every block adds colours to the upsampled picture. orig: the last block draws them. resnet: too, with a short branch per block."""


def resolutions_of(resolution: int) -> list[int]:
    """4, 8, …, resolution. Raises ValueError unless resolution is a power of two from 4 on."""
    if resolution < FIRST_RESOLUTION or resolution & (resolution - 1):
        raise ValueError(f"resolution {resolution} is not a power of two from {FIRST_RESOLUTION} on; use 64, 128, 256, …")
    return [1 << exponent for exponent in range(2, resolution.bit_length())]


def channels_at(resolution: int, channel_base: int, channel_max: int, channel_min: int = 1) -> int:
    """Feature maps at a resolution: base / resolution, at most channel_max, at least channel_min."""
    return max(channel_min, min(channel_base // resolution, channel_max))


@dataclass(frozen=True)
class StyleLayer:
    """One style affine. width: input channels that it scales. start: its first number in s. w_index: the vector of w+ that it reads."""

    name: str
    resolution: int
    width: int
    start: int
    w_index: int
    is_torgb: bool

    @property
    def slice(self) -> slice:
        return slice(self.start, self.start + self.width)


@dataclass(frozen=True)
class StyleLayout:
    """All style layers in execution order, for a generator of this size."""

    resolution: int
    channel_base: int = 32768
    channel_max: int = 512
    architecture: Architecture = "skip"
    channel_min: int = 1

    def __post_init__(self) -> None:
        # Filled now, because torch.compile finds cached values but cannot enter the lock that fills them.
        _ = self.layers, self.names, self.slices, self.style_dim, self.num_ws

    @cached_property
    def layers(self) -> tuple[StyleLayer, ...]:
        layers: list[StyleLayer] = []

        def add(name: str, resolution: int, width: int, w_index: int) -> None:
            start = layers[-1].slice.stop if layers else 0
            layers.append(StyleLayer(f"b{resolution}.{name}", resolution, width, start, w_index, name == "torgb"))

        w_index, previous = 0, 0
        for resolution in resolutions_of(self.resolution):
            width = channels_at(resolution, self.channel_base, self.channel_max, self.channel_min)
            if resolution > FIRST_RESOLUTION:
                add("conv0", resolution, previous, w_index)
                w_index += 1
            add("conv1", resolution, width, w_index)
            w_index += 1
            if self.architecture == "skip" or resolution == self.resolution:
                add("torgb", resolution, width, w_index)  # the same w as the next block's conv0
            previous = width
        return tuple(layers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def slices(self) -> dict[str, slice]:
        return {layer.name: layer.slice for layer in self.layers}

    @cached_property
    def style_dim(self) -> int:
        return self.layers[-1].slice.stop

    @cached_property
    def num_ws(self) -> int:
        return self.layers[-1].w_index + 1

    def __getitem__(self, name: str) -> StyleLayer:
        return self.layers[self.index(name)]

    def index(self, name: str) -> int:
        """Place in execution order; ValueError names the layers that exist."""
        if name not in self.names:
            raise ValueError(f"there is no style layer {name!r}; the layers are {', '.join(self.names)}")
        return self.names.index(name)

    def split(self, s: Float[Tensor, "batch style_dim"]) -> list[Float[Tensor, "batch width"]]:
        """One tensor per layer, in execution order (views of s)."""
        if s.shape[1] != self.style_dim:
            raise ValueError(f"a style code has {s.shape[1]} numbers where this generator reads {self.style_dim}")
        return list(s.split([layer.width for layer in self.layers], dim=1))

    def join(self, parts: Sequence[Float[Tensor, "batch _"]]) -> Float[Tensor, "batch style_dim"]:
        """Inverse of `split`."""
        widths = [part.shape[1] for part in parts]
        if widths != [layer.width for layer in self.layers]:
            raise ValueError(f"layer widths {widths} do not match this generator's {[layer.width for layer in self.layers]}")
        return torch.cat(list(parts), dim=1)

    def mask(self, names: Iterable[str], device: torch.device | str = "cpu") -> Bool[Tensor, " style_dim"]:
        """True where a number of s belongs to one of the named layers."""
        mask = torch.zeros(self.style_dim, dtype=torch.bool, device=device)
        for name in names:
            mask[self[name].slice] = True
        return mask
