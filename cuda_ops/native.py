"""Are compiled operators at hand? `load("cpu")` answers True after it has built (once) and loaded their library.

A failure is said once, in one line of the log, and remembered; the operators then run as torch code. Importing this file does nothing.
CUDA_OPS=off in the environment, or `with disabled():`, turns compiled operators off.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from cuda_ops.build import find_or_build
from cuda_ops.plan import BuildError

DTYPES = {"cpu": (torch.float32, torch.bfloat16), "cuda": (torch.float32, torch.float16, torch.bfloat16)}
"""What the compiled operators of a kind of device take; everything else is left to the torch code."""

PLAIN = (torch.Tensor, torch.nn.Parameter)
"""Subclasses of a tensor may be watching."""


@dataclass(frozen=True)
class Outcome:
    """loaded: its operators can be called. reason: why not. library: its file."""

    loaded: bool
    reason: str = ""
    library: str = ""


_outcomes: dict[str, Outcome] = {}
_lock = threading.Lock()
_disabled = 0


def load(device_type: str) -> bool:
    """Whether the compiled operators of this kind of device can be called now. The first call may compile."""
    outcome = _outcomes.get(device_type)
    if outcome is None:
        outcome = attempt(device_type)
    return outcome.loaded and not _disabled


def usable(x: torch.Tensor) -> bool:
    """Whether the compiled operators take this tensor."""
    device_type = x.device.type
    return x.dtype in DTYPES.get(device_type, ()) and load(device_type)


def attempt(device_type: str, retry: bool = False) -> Outcome:
    """Load the library, building it if need be. retry: try again what has failed, in this process or before."""
    with _lock:
        outcome = _outcomes.get(device_type)
        if outcome is None or (retry and not outcome.loaded):
            outcome = _outcomes[device_type] = _attempt(device_type, retry)
            if not outcome.loaded and not switched_off():
                logging.getLogger("cuda_ops").warning(
                    "compiled %s operators are not used, PyTorch is, which is slower: %s", device_type, outcome.reason
                )
        return outcome


def switched_off() -> bool:
    """Whether the environment says CUDA_OPS=off."""
    return os.environ.get("CUDA_OPS") == "off"


def _attempt(device_type: str, retry: bool) -> Outcome:
    if device_type not in DTYPES:
        return Outcome(False, f"there are none for {device_type}")
    if switched_off():
        return Outcome(False, "CUDA_OPS=off is set")
    try:
        library = str(find_or_build(device_type, retry=retry))
        torch.ops.load_library(library)
    except (BuildError, OSError) as error:
        return Outcome(False, " ".join(str(error).split()))
    return Outcome(True, "", library)


def unobserved(*tensors: torch.Tensor | None) -> bool:
    """Whether nobody differentiates, traces or transforms a call with these tensors.

    The public functions then call the implementation of their operator straight away: the way through its registration costs 15 to 30 µs,
    which small pictures feel.
    """
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() or torch._C._functorch.peek_interpreter_stack() is not None:
        return False
    if torch.autograd.forward_ad._current_level >= 0:
        return False
    graded = torch.is_grad_enabled()
    for tensor in tensors:
        if tensor is not None and (type(tensor) not in PLAIN or (graded and tensor.requires_grad)):
            return False
    return True


@contextmanager
def disabled() -> Iterator[None]:
    """Compiled operators are off inside (in every thread: backward passes may run in others)."""
    global _disabled
    _disabled += 1
    try:
        yield
    finally:
        _disabled -= 1


def operators(x: torch.Tensor) -> Any:
    """The compiled operators for this tensor's device; ask `usable` first."""
    return torch.ops.cuda_ops_cuda if x.is_cuda else torch.ops.cuda_ops_cpu


def parameter(x: torch.Tensor | None) -> torch.Tensor | None:
    """As the compiled operators take parameters beside activations (bias, filter, style, …): float32, contiguous."""
    return x if x is None or (x.dtype is torch.float32 and x.is_contiguous()) else x.float().contiguous()
