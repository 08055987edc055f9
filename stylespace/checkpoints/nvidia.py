"""NVIDIA's PyTorch pickles: stylegan2-ada-pytorch, the StyleGAN2 configurations of stylegan3, and what was finetuned with them.

A file is a dictionary with G, D and G_ema; a module in it is a persistent object whose state is the module's `__dict__`. Our tensor names
are theirs, so nothing is renamed; the attributes that change the graph without changing a shape are checked one by one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from cuda_ops.bias_act import DEFAULT_GAIN
from stylespace.checkpoints.assemble import Settings, Source, assemble, check_filters
from stylespace.checkpoints.unpickle import PersistentObject
from stylespace.generator import Generator
from stylespace.weights import WeightsError

DEEPEST = 8
"""Modules inside modules; a file in which a module contains itself goes on for ever."""


def read_nvidia(checkpoint: Mapping[str, Any]) -> Generator:
    """The generator's moving average (G_ema) of an unpickled snapshot."""
    network = checkpoint.get("G_ema")
    if not isinstance(network, PersistentObject):
        names = ", ".join(map(str, list(checkpoint)[:8])) or "nothing"
        raise WeightsError(f"it holds {names} but no network G_ema; give a snapshot of stylegan2-ada-pytorch or stylegan3")
    modules = dict(_modules(network))
    tensors = {name: tensor for path, state in modules.items() for name, tensor in _tensors(path, state)}
    _check_kind(network, tensors)
    filters = {name: tensor for name, tensor in tensors.items() if name.endswith("resample_filter")}
    check_filters(filters)
    generator = assemble(Source(tensors, extra=frozenset(filters)), _settings(modules))
    stated = {state["architecture"] for state in modules.values() if "architecture" in state} - {generator.arguments["architecture"]}
    if stated and generator.resolution > 4:
        raise WeightsError(f"its blocks are {stated.pop()!r} while its tensors are those of {generator.arguments['architecture']!r}")
    return generator


def _modules(module: PersistentObject, path: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, attributes) of a module and all modules in it."""
    if depth > DEEPEST:
        raise WeightsError(f"its modules are nested more than {DEEPEST} deep at {path}; it is damaged or made to deceive")
    yield path, module.state
    for name, child in (module.state.get("_modules") or {}).items():
        inner = f"{path}.{name}" if path else str(name)
        if not isinstance(child, PersistentObject):
            raise WeightsError(f"its {inner} is a {type(child).__name__}, no module; it is damaged")
        yield from _modules(child, inner, depth + 1)


def _tensors(path: str, state: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for group in ("_parameters", "_buffers"):
        for name, tensor in (state.get(group) or {}).items():
            if isinstance(tensor, Tensor):
                yield (f"{path}.{name}" if path else str(name)), tensor


def _check_kind(network: PersistentObject, tensors: Mapping[str, Tensor]) -> None:
    """Name the relatives that are easily mistaken for StyleGAN2."""
    if any(re.match(r"synthesis\.(input\.|L\d+_)", name) for name in tensors):
        raise WeightsError("it holds StyleGAN3's own generator (layers with Fourier features), and only StyleGAN2's is supported")
    if "synthesis.b4.conv1.weight" not in tensors:
        first = ", ".join(list(tensors)[:4]) or "nothing"
        raise WeightsError(f"its network {network.class_name!r} is no StyleGAN2 generator; its tensors begin with {first}")


def _settings(modules: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Multiplier and clamp; raises WeightsError where an attribute differs from StyleGAN2."""
    rates, clamps = set(), set()
    for path, state in modules.items():
        if re.fullmatch(r"mapping\.fc\d+", path):
            rates.add(float(state.get("bias_gain", 0.01)))
            _expect(path, state, activation="lrelu", weight_gain=state.get("bias_gain", 0.01) / math.sqrt(_fan_in(path, state)))
        elif path == "mapping.embed" or path.endswith(".affine"):
            _expect(path, state, activation="linear", bias_gain=1.0, weight_gain=1 / math.sqrt(_fan_in(path, state)))
        elif re.fullmatch(r"synthesis\.b\d+\.conv[01]", path):
            clamps.add(state.get("conv_clamp"))
            _expect(path, state, activation="lrelu", act_gain=DEFAULT_GAIN["lrelu"], up=2 if path.endswith("0") else 1, padding=1)
        elif path.endswith(".torgb"):
            clamps.add(state.get("conv_clamp"))
            _expect(path, state, weight_gain=1 / math.sqrt(_fan_in(path, state)))
        elif path.endswith(".skip"):
            _expect(path, state, activation="linear", up=2, down=1, conv_clamp=None, weight_gain=1 / math.sqrt(_fan_in(path, state)))
    if len(rates) > 1 or len(clamps) > 1:
        raise WeightsError(f"its layers have different multipliers {sorted(rates)} or clamps {sorted(map(str, clamps))}; not supported")
    clamp = next(iter(clamps), None)
    return Settings(mapping_rate=next(iter(rates), 0.01), conv_clamp=None if clamp is None else float(clamp))


def _fan_in(path: str, state: Mapping[str, Any]) -> int:
    weight = dict(_tensors("", state)).get("weight")
    if weight is None or weight.ndim < 2:
        raise WeightsError(f"its {path} has no weight; it is damaged")
    return max(1, weight[0].numel())


def _expect(path: str, state: Mapping[str, Any], **attributes: Any) -> None:
    """An attribute that is there must have StyleGAN2's value; older files lack some."""
    for name, value in attributes.items():
        found = state.get(name, value)
        same = math.isclose(found, value, rel_tol=1e-6) if isinstance(found, float) and isinstance(value, float) else found == value
        if not same:
            raise WeightsError(f"its {path} has {name} {found!r} where StyleGAN2 has {value!r}; such a generator is not supported")
