"""The precision that trained networks convolve in: bfloat16 where it is faster, else float32.

Weights, optimisers, fully connected layers (mappings, style affines, heads), sums of colours, geometry and losses stay float32: a turn of
the head by one degree is less than what bfloat16 can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cddfm.config import nearest
from cddfm.errors import UserError
from cuda_ops.precision import has_bfloat16_units
from stylespace.generator import ToRGB

Precision = Literal["fp32", "bf16"]


def choose_precision(name: str, device: str) -> Precision:
    """auto → bf16 where training is faster by it, else fp32. Raises UserError for an unknown name."""
    if name == "auto":
        return "bf16" if trains_faster_in_bfloat16(device) else "fp32"
    if name not in get_args(Precision):
        raise UserError(f"there is no precision {name!r}: {nearest(name, ('auto', *get_args(Precision)))}")
    return name


def trains_faster_in_bfloat16(device: str) -> bool:
    """Devices with units for it (GPUs of capability 8 and later, CPUs with AMX), and AMD's CPUs with AVX-512's bfloat16 instructions: 1.4
    to 1.7 times on Zen 4, where Intel's lose a quarter. A generator that only draws is faster in float32 there (cuda_ops.precision)."""
    if device != "cpu" or has_bfloat16_units(device):
        return has_bfloat16_units(device)
    processor = torch.cpu.get_capabilities()
    return bool(processor.get("avx512_bf16")) and str(processor.get("cpu_name")).startswith("AMD")


@contextmanager
def convolving_in(precision: Precision, networks: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, whatever convolves in these networks does so in that precision; what comes out of a network is float32 again."""
    region = _Region()
    with ExitStack() as hooks:
        for module in _distinct(networks) if precision == "bf16" else ():
            kind = _kind(module)
            if kind is not None:
                hooks.enter_context(module.register_forward_pre_hook(region.enters_exact if kind == "exact" else region.enters))
                hooks.enter_context(module.register_forward_hook(region.leaves, always_call=True))
        yield


def _distinct(networks: Iterable[nn.Module]) -> Iterable[nn.Module]:
    return dict.fromkeys(module for network in networks for module in network.modules())


def _kind(module: nn.Module) -> Literal["exact", "fast"] | None:
    """exact: keeps float32 inside a network that convolves. fast: convolves, or holds something that does."""
    weight = getattr(module, "weight", None)
    if isinstance(module, ToRGB) or (isinstance(weight, Tensor) and weight.ndim == 2):
        return "exact"
    return "fast" if any(parameter.ndim == 4 for parameter in module.parameters()) else None


class _Region:
    """The part of a forward pass between entering the outermost convolving module and leaving it."""

    def __init__(self) -> None:
        self.modes: list[torch.autocast] = []

    def enters(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._enter(module, True)

    def enters_exact(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self._enter(module, False)
        return inputs if isinstance(module, ToRGB) else tuple(_widened(value) for value in inputs)

    def _enter(self, module: nn.Module, enabled: bool) -> None:
        device = next(module.parameters()).device.type
        # Without the cache: a step may use a weight without gradients first, with them later, and again after an optimiser has moved it.
        mode = torch.autocast(device, torch.bfloat16, enabled=enabled, cache_enabled=False)
        mode.__enter__()
        self.modes.append(mode)

    def leaves(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        self.modes.pop().__exit__(None, None, None)
        return output if self.modes else _widened(output)


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
