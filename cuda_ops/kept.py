"""What was computed from a weight, kept as long as the weight lives and is not written to.

A weight's version counts the writes that torch sees: `copy_` and most optimisers do, `.data` does not. Optimisers made with fused=True do
not either (torch 2.13), so what is kept of their parameters is dropped after each of their steps.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cache

from torch import Tensor
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass
class _Kept:
    """Of one state of a weight."""

    state: tuple[int, int]
    values: dict[Hashable, Tensor] = field(default_factory=dict)


_of_weight: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


@cache
def _watch_fused_optimisers() -> None:
    """From the first use on, for the life of the process."""

    def forget(optimizer: Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            if group.get("fused"):
                for parameter in group["params"]:
                    _of_weight.pop(parameter, None)

    register_optimizer_step_post_hook(forget)


def kept(weight: Tensor, key: Hashable, make: Callable[[Tensor], Tensor]) -> Tensor:
    """make(weight), without gradients; made again when the weight has changed."""
    if weight.is_inference():  # has no version: nobody could tell that it was written to
        return make(weight)
    _watch_fused_optimisers()
    state = (weight.data_ptr(), weight._version)
    entry = _of_weight.get(weight)
    if entry is None or entry.state != state:
        entry = _of_weight[weight] = _Kept(state)
    if key not in entry.values:
        entry.values[key] = make(weight.detach())
    return entry.values[key]
