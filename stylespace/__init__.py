"""StyleGAN2 with its style space open."""

from __future__ import annotations

from typing import Any

__all__ = ["load_generator"]


def __getattr__(name: str) -> Any:
    """`stylespace.load_generator`, imported when first asked for, so that importing a module of this package stays quick."""
    if name == "load_generator":
        from stylespace.checkpoints import load_generator

        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
