"""Pickles of the TensorFlow era (stylegan2, stylegan2-ada): a tuple of networks G, D, Gs, each with arguments and named arrays.

How arrays differ from ours. TensorFlow stores convolutions as [height, width, in, out] and fully connected layers as [in, out]. Style
affines add 1 to their bias at run time. The up-convolution is defined as an upsampled picture convolved with the stored kernel, that is
`y[m] = Σ_k x̂[m + k − 2] w[k]` with zeros between the pixels x̂[2i] = x[i]; as a transposed convolution, `y[2i + a] = Σ x[i] v[a]`, the
kernel is v[a] = w[2 − a]: mirrored on both axes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from stylespace.checkpoints.assemble import Settings, Source, assemble
from stylespace.checkpoints.unpickle import NetworkRecord
from stylespace.closed_pickle import Array
from stylespace.generator import Generator
from stylespace.weights import WeightsError

OLDEST = 4
"""First version of the network records that StyleGAN2 wrote."""

GROWTH = {"lod", "synthesis/lod"}
"""How many halvings of the resolution are still to be grown, in graphs that can grow."""

LAYERS = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB", "skip": "Skip"}
TENSORS = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}

FIXED: Mapping[str, tuple[Any, ...]] = {
    "nonlinearity": ("lrelu",),
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "fmap_decay": (1.0,),
}
"""Arguments that change the graph without changing a shape, with the values that are StyleGAN2's."""


def read_tensorflow(networks: tuple[Any, ...]) -> Generator:
    """The generator's moving average: the last network of the tuple."""
    network = networks[-1] if networks else None
    if not isinstance(network, NetworkRecord):
        raise WeightsError(f"it holds {type(network).__name__} where TensorFlow networks (G, D, Gs) belong")
    arrays = dict(_arrays(network))
    _check_kind(network, arrays)
    arguments = _arguments(network)
    own_name = _names(arrays)
    extra = frozenset(name for name in arrays if _unused(name, arrays))
    rate, clamp = arguments.get("mapping_lrmul", 0.01), arguments.get("conv_clamp")
    settings = Settings(mapping_rate=float(rate), conv_clamp=None if clamp is None else float(clamp))
    generator = assemble(Source(arrays, own_name, _convert, extra), settings)
    stated = arguments.get("architecture", generator.arguments["architecture"])
    if stated != generator.arguments["architecture"] and not any("ToRGB_lod" in name for name in arrays):
        raise WeightsError(f"its architecture is {stated!r} while its tensors are those of {generator.arguments['architecture']!r}")
    return generator


def _arrays(network: NetworkRecord, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """All variables as tensors, components' with their name in front."""
    variables, components = network.state.get("variables"), network.state.get("components") or {}
    if not isinstance(variables, (list, tuple)) or not isinstance(components, dict) or depth > 2:
        raise WeightsError("one of its networks is no StyleGAN2 network record; it is damaged or of another kind")
    for name, array in variables:
        if isinstance(array, Array):
            yield prefix + name, torch.from_numpy(array.values)
        elif isinstance(array, (int, float)):
            yield prefix + name, torch.tensor(float(array))
    for name, component in components.items():
        if isinstance(component, NetworkRecord):
            yield from _arrays(component, f"{prefix}{name}/", depth + 1)


def _check_kind(network: NetworkRecord, arrays: Mapping[str, Tensor]) -> None:
    version, name = network.state.get("version", 0), network.state.get("name", "?")
    if any("StyleMod" in array for array in arrays):
        raise WeightsError(f"its network {name!r} is a StyleGAN (first version) generator, and only StyleGAN2's is supported")
    if not isinstance(version, int) or version < OLDEST:
        raise WeightsError(
            f"its network {name!r} has record version {version}; StyleGAN2 wrote {OLDEST} and later, so it is something older"
        )
    if "synthesis/4x4/Conv/weight" not in arrays:
        first = ", ".join(list(arrays)[:4]) or "nothing"
        raise WeightsError(f"its network {name!r} is no StyleGAN2 generator; its variables begin with {first}")
    if any(arrays[name].any() for name in GROWTH & arrays.keys()):
        raise WeightsError("its training was stopped while the resolution still grew (lod is not 0); train it to the end")


def _arguments(network: NetworkRecord) -> dict[str, Any]:
    """The arguments that it was built with: its own over its components'."""
    merged: dict[str, Any] = {}
    components = (network.state.get("components") or {}).values()
    for record in (*(part for part in components if isinstance(part, NetworkRecord)), network):
        merged.update(record.state.get("static_kwargs") or {})
    for name, values in FIXED.items():
        if name in merged and merged[name] not in values:
            raise WeightsError(f"its argument {name} is {merged[name]!r} where StyleGAN2 has {values[0]!r}; not supported")
    kernel = merged.get("resample_kernel")
    if kernel is not None and list(getattr(kernel, "values", kernel)) != [1, 3, 3, 1]:
        raise WeightsError(f"its argument resample_kernel is {kernel} where StyleGAN2 has [1, 3, 3, 1]; not supported")
    return merged


def _names(arrays: Mapping[str, Tensor]) -> Callable[[str], str]:
    """Our name → the name in the file. The revised first-version graph numbers its toRGB from the last resolution down."""
    last = max(int(match[1]) for name in arrays if (match := re.match(r"synthesis/(\d+)x\1/", name)))
    numbered = any(name.startswith("synthesis/ToRGB_lod") for name in arrays)

    def own_name(name: str) -> str:
        if name == "mapping.w_avg":
            return "dlatent_avg"
        if match := re.fullmatch(r"mapping\.(embed|fc(\d+))\.(weight|bias)", name):
            return f"mapping/{'LabelEmbed' if match[1] == 'embed' else f'Dense{match[2]}'}/{match[3]}"
        if name == "synthesis.b4.const":
            return "synthesis/4x4/Const/const"
        match = re.fullmatch(r"synthesis\.b(\d+)\.(\w+)\.(.*)", name)
        if match is None:
            return name
        size, layer, tensor = int(match[1]), match[2], match[3]
        if tensor == "noise_const":
            return f"synthesis/noise{2 * size.bit_length() - 7 + (layer == 'conv1')}"
        if layer == "torgb" and numbered:  # those of smaller pictures served the growth only
            return f"synthesis/ToRGB_lod0/{TENSORS.get(tensor, tensor)}" if size == last else name
        own_layer = "Conv" if (size, layer) == (4, "conv1") else LAYERS[layer]
        return f"synthesis/{size}x{size}/{own_layer}/{TENSORS.get(tensor, tensor)}"

    return own_name


def _convert(name: str, array: Tensor) -> Tensor:
    if name == "synthesis.b4.const" and array.ndim == 4 and array.shape[0] == 1:
        return array[0]
    if name.endswith(".noise_const") and array.ndim == 4 and array.shape[:2] == (1, 1):
        return array[0, 0]
    if name.endswith(".affine.bias"):
        return array + 1
    if name.endswith(".weight") and array.ndim == 4:
        mirrored = array.flip(0, 1) if ".conv0." in name or ".skip." in name else array
        return mirrored.permute(3, 2, 0, 1)
    return array.t() if name.endswith(".weight") and array.ndim == 2 else array


def _unused(name: str, arrays: Mapping[str, Tensor]) -> bool:
    """Variables that the finished picture does not depend on: the growing resolution's, and noise that no layer weighs."""
    if name in GROWTH or re.match(r"synthesis/ToRGB_lod[1-9]", name):
        return True
    return bool(re.fullmatch(r"synthesis/noise\d+", name)) and "synthesis/4x4/Conv/noise_strength" not in arrays
