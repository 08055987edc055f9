"""What takes minutes to make and is the same every time: in a file from the first time on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from stylespace.weights import write_atomically


def remembered(path: Path, make: Callable[[], Any]) -> Any:
    """The tensor, or dictionary of tensors, in this file; where there is none, what `make` gives, put there whole or not at all. What a
    file holds is mapped into memory: only what is looked at is read, and processes share it."""
    if path.is_file():
        return torch.load(path, weights_only=True, mmap=True)
    value = make()
    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_atomically(path, buffer.getvalue())
    return value
