"""What was computed from a weight, kept as long as the weight lives and is not written to.

A weight's version counts the writes that torch sees. Optimisers and `copy_` are counted; `.data` and optimisers made with fused=True are
not, and must not be used on weights of these operators.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass
class _Kept:
    """Of one state of a weight."""

    state: tuple[int, int]
    values: dict[Hashable, Tensor] = field(default_factory=dict)


_of_weight: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def kept(weight: Tensor, key: Hashable, make: Callable[[Tensor], Tensor]) -> Tensor:
    """make(weight), without gradients; made again when the weight has changed."""
    if weight.is_inference():  # has no version: nobody could tell that it was written to
        return make(weight)
    state = (weight.data_ptr(), weight._version)
    entry = _of_weight.get(weight)
    if entry is None or entry.state != state:
        entry = _of_weight[weight] = _Kept(state)
    if key not in entry.values:
        entry.values[key] = make(weight.detach())
    return entry.values[key]
