"""The precision of activations: the weights' own type, or bfloat16 where the hardware has units for it."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch

Precision = Literal["exact", "fast"]
"""exact: the weights' own type, float32 as a rule. fast: bfloat16 (a picture's relative rms error stays below 1 %) where it is faster."""


def activation_dtype(precision: Precision, weight: torch.Tensor) -> torch.dtype:
    """What activations of a network with such weights are held in."""
    fast = precision == "fast" and weight.dtype == torch.float32 and has_bfloat16_units(weight.device.type)
    return torch.bfloat16 if fast else weight.dtype


@cache
def has_bfloat16_units(device_type: str) -> bool:
    """Whether this device has matrix units for bfloat16: AMX on CPUs. Without them a CPU's float32 kernels win, also over AVX-512's
    bfloat16 instructions (training a residual network: in turn 115 pictures a second in float32, 83 with those, 153 with AMX)."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and torch.cpu._is_amx_tile_supported()
