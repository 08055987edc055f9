"""Named tensors of any origin → our generator: the configuration is read off the shapes, and everything must fit exactly.

Class names and stored arguments say too little (forks reuse them for other graphs, and stored arguments lack defaults), so the tensors
decide: which exist, and how large they are. What shapes cannot tell (learning-rate multiplier, clamp) a reader passes on as `Settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cuda_ops.upfirdn2d import fir_filter
from stylespace.code import FIRST_RESOLUTION, Architecture, channels_at
from stylespace.generator import Generator
from stylespace.weights import WeightsError

NAMED = 4
"""How many differences an error names."""

LARGEST = 1024


@dataclass(frozen=True)
class Settings:
    """What the shapes do not tell."""

    mapping_rate: float = 0.01
    conv_clamp: float | None = None


@dataclass(frozen=True)
class Source:
    """The tensors of a checkpoint under its own names.

    own_name: our name of a tensor → the checkpoint's. convert: (our name, tensor as stored) → the tensor as we store it. extra: names of
    tensors that were checked otherwise, or that the picture does not depend on.
    """

    tensors: Mapping[str, Tensor]
    own_name: Callable[[str], str] = lambda name: name
    convert: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor
    extra: frozenset[str] = field(default_factory=frozenset)

    def find(self, name: str) -> Tensor | None:
        """A tensor by our name; None where the checkpoint has none."""
        tensor = self.tensors.get(self.own_name(name))
        return None if tensor is None else self.convert(name, tensor)

    def require(self, name: str) -> Tensor:
        tensor = self.find(name)
        if tensor is None:
            raise WeightsError(f"it is no StyleGAN2 generator: there is no {self.own_name(name)} among {_some(sorted(self.tensors))}")
        return tensor

    def matrix(self, name: str, dimensions: int = 2) -> tuple[int, ...]:
        """The shape of a tensor that must be there, with this many dimensions."""
        shape = tuple(self.require(name).shape)
        if len(shape) != dimensions:
            raise WeightsError(f"it is no StyleGAN2 generator: {self.own_name(name)} has shape {_show(shape)}")
        return shape


def assemble(source: Source, settings: Settings) -> Generator:
    """The generator in evaluation mode, on the CPU, in float32. Raises WeightsError, naming the first differences, unless all fits."""
    with torch.device("meta"):
        generator = Generator(**arguments_of(source, settings))
    expected = generator.state_dict()
    found = {name: source.find(name) for name in expected}
    _compare(source, expected, found)
    tensors = {name: tensor.to(torch.float32, copy=True).contiguous() for name, tensor in found.items() if tensor is not None}
    generator.load_state_dict(tensors, assign=True)
    return generator.eval().requires_grad_(False)


def arguments_of(source: Source, settings: Settings) -> dict[str, Any]:
    """The generator's constructor arguments, from names and shapes."""
    widths = _widths(source)
    resolution = max(widths)
    channel_base, channel_max, channel_min = _channel_rule(widths)
    w_dim = source.matrix("synthesis.b4.conv1.affine.weight")[1]
    layers = 0
    while source.find(f"mapping.fc{layers}.weight") is not None:
        layers += 1
    if layers == 0:
        raise WeightsError(f"it has no mapping network ({source.own_name('mapping.fc0.weight')} is missing), so z cannot be mapped to w")
    width, first = source.matrix("mapping.fc0.weight")
    label_width, label_dim = (0, 0) if source.find("mapping.embed.weight") is None else source.matrix("mapping.embed.weight")
    if first <= label_width:
        raise WeightsError(f"its mapping reads {first} numbers, {label_width} of them a label: a generator without z is not supported")
    colours = source.matrix(f"synthesis.b{resolution}.torgb.weight", 4)[0]
    if colours != 3:
        raise WeightsError(f"it draws {colours} colour channels, and only pictures of 3 (RGB) are supported")
    return {
        "resolution": resolution,
        "z_dim": first - label_width,
        "w_dim": w_dim,
        "channel_base": channel_base,
        "channel_max": channel_max,
        "mapping_layers": layers,
        "mapping_rate": settings.mapping_rate,
        "label_dim": label_dim,
        "architecture": _architecture(source, resolution),
        "conv_clamp": settings.conv_clamp,
        "use_noise": source.find("synthesis.b4.conv1.noise_strength") is not None,
        "mapping_width": None if layers == 1 or width == w_dim else width,
        "label_width": None if label_width in (0, w_dim) else label_width,
        "channel_min": channel_min,
    }


def _widths(source: Source) -> dict[int, int]:
    """Resolution → feature maps."""
    widths, size = {}, FIRST_RESOLUTION
    source.require(f"synthesis.b{size}.conv1.weight")
    while size <= LARGEST and source.find(f"synthesis.b{size}.conv1.weight") is not None:
        widths[size] = source.matrix(f"synthesis.b{size}.conv1.weight", 4)[0]
        size *= 2
    return widths


def _channel_rule(widths: Mapping[int, int]) -> tuple[int, int, int]:
    """Base, maximum and minimum that give these widths; the usual ones where several would do."""
    most, least = max(widths.values()), min(widths.values())
    for minimum in (1, least):
        lowest = max((width * size for size, width in widths.items() if width > minimum), default=least)
        for base in (32768, 16384, lowest):
            for maximum in (512, most):
                if all(channels_at(size, base, maximum, minimum) == width for size, width in widths.items()):
                    return base, maximum, minimum
    shown = ", ".join(f"{width} at {size}" for size, width in widths.items())
    raise WeightsError(
        f"its feature maps ({shown}) do not follow max(minimum, min(base / resolution, maximum)); such a generator is not supported"
    )


def _architecture(source: Source, resolution: int) -> Architecture:
    if source.find(f"synthesis.b{FIRST_RESOLUTION}.torgb.weight") is not None:
        return "skip"
    return "orig" if source.find(f"synthesis.b{resolution}.skip.weight") is None else "resnet"


def _compare(source: Source, expected: Mapping[str, Tensor], found: Mapping[str, Tensor | None]) -> None:
    used = {source.own_name(name) for name in expected}
    missing = [source.own_name(name) for name, tensor in found.items() if tensor is None]
    surplus = sorted(source.tensors.keys() - used - source.extra)
    other = [
        f"{source.own_name(name)} {_show(tensor.shape)} instead of {_show(expected[name].shape)}"
        for name, tensor in found.items()
        if tensor is not None and tensor.shape != expected[name].shape
    ]
    kinds = (("missing", missing), ("unknown", surplus), ("of another shape", other))
    parts = [f"{kind}: {_some(names)}" for kind, names in kinds if names]
    if parts:
        raise WeightsError(f"it does not fit StyleGAN2's generator exactly ({'; '.join(parts)}); it belongs to another network")


def check_filters(filters: Mapping[str, Tensor], gain: float = 1.0) -> None:
    """Every low-pass filter of a checkpoint must be [1, 3, 3, 1] on both axes, with this sum."""
    for name, taps in filters.items():
        if taps.shape != (4, 4) or not torch.allclose(taps.float(), fir_filter() * gain, atol=1e-6):
            raise WeightsError(f"its filter {name} is not StyleGAN2's [1, 3, 3, 1]; such a generator is not supported")


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _show(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape) if len(shape) else "()"
