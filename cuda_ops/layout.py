"""The two layouts that the operators know, channels_last and contiguous, and one rule for which of them a tensor has.

Fake implementations, torch code and kernels (csrc/*/tensors.h) follow the same rule, so that a traced graph sees the strides that come.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def is_channels_last(x: Tensor) -> bool:
    """Whether channels lie next to each other. Contiguous tensors that are both (one channel, or one pixel) count as contiguous."""
    return bool(x.ndim == 4 and x.shape[1] > 1 and x.stride(1) == 1 and not x.is_contiguous())


def format_of(x: Tensor) -> torch.memory_format:
    return torch.channels_last if is_channels_last(x) else torch.contiguous_format


def dense(x: Tensor) -> Tensor:
    """x without gaps, in its own layout; x itself if it has none."""
    return x if x.is_contiguous() else x.contiguous(memory_format=format_of(x))


def empty(x: Tensor, sizes: Sequence[int | torch.SymInt], dtype: torch.dtype | None = None) -> Tensor:
    """A new tensor with x's type, device and layout."""
    return torch.empty(sizes, dtype=dtype or x.dtype, device=x.device, memory_format=format_of(x))
