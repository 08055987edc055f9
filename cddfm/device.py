"""Which device a command runs on."""

from __future__ import annotations

import torch

from cddfm.errors import UserError


def choose_device(name: str) -> str:
    """auto → cuda where there is one, else cpu. Raises UserError for an unknown name or a device that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise UserError(f"there is no device {name!r}: valid are auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda was asked for, but torch sees no CUDA device; use --device cpu")
    return name
