"""A pickle reader that executes nothing: it knows the few names that StyleGAN2 checkpoints use, and refuses every other one.

Stock unpickling calls whatever a file names. NVIDIA's files moreover carry the source code of their classes and expect the reader to run
it, and their tensors are pickles inside the pickle. Here every allowed name is a function of this module that builds plain values:

* modules become `PersistentObject` (class name and attributes; the source code is dropped),
* TensorFlow networks become `NetworkRecord`,
* tensor storages go through `torch.load(weights_only=True)`, and tensors are cut out of them with bounds checked,
* numpy arrays are rebuilt from raw bytes of plain number types (`stylespace.closed_pickle`).
"""

from __future__ import annotations

import io
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stylespace.checkpoints.archive import load_archive, refusal
from stylespace.closed_pickle import NUMPY, Allowed, Array, ClosedReader, Number, Refused
from stylespace.weights import WeightsError


class PersistentObject:
    """An instance of one of NVIDIA's persistent classes: what it was called, and its attributes."""

    def __init__(self, class_name: str, state: dict[str, Any]):
        self.class_name, self.state = class_name, state


class EasyDict(dict):
    """dnnlib's dictionary with attribute access, without the latter."""


class NetworkRecord:
    """A TensorFlow-era network: `state` has name, version, static_kwargs, components and variables."""

    state: Mapping[str, Any]

    def fill(self, state: object) -> None:
        if not isinstance(state, Mapping):
            raise WeightsError("it holds a network record without a dictionary; it is damaged")
        self.state = state


def _persistent(meta: Mapping[str, Any]) -> PersistentObject:
    """The record of a persistent object; `module_src`, its source code, is neither kept nor run."""
    class_name, state = meta.get("class_name"), meta.get("state")
    if not isinstance(class_name, str) or not isinstance(state, dict):
        raise WeightsError("it holds a persistent object without class name or state; it is damaged")
    return PersistentObject(class_name, state)


def _storage(data: bytes) -> torch.TypedStorage:
    storage = load_archive(io.BytesIO(data))
    if not isinstance(storage, torch.TypedStorage):
        raise WeightsError(f"it holds a {type(storage).__name__} where a tensor's numbers belong; it is damaged or made to deceive")
    return storage


def _tensor(storage: torch.TypedStorage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    untyped, dtype = storage._untyped_storage, storage.dtype
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    held = untyped.nbytes() // dtype.itemsize
    if min(offset, *size, *stride, 0) < 0 or (math.prod(size) and last >= held):
        raise WeightsError(f"it holds a tensor of shape {tuple(size)} that reaches beyond its {held} numbers; it is damaged")
    return torch.empty(0, dtype=dtype).set_(untyped, offset, size, stride)


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data


class _Reader(ClosedReader):
    """Attributes of dictionaries (state_dict's _metadata) are not needed."""

    allowed: Allowed = {
        **NUMPY,
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
        ("dnnlib.util", "EasyDict"): EasyDict,
        ("dnnlib.tflib.network", "Network"): NetworkRecord,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch.storage", "_load_from_bytes"): _storage,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    }
    fillable = (NetworkRecord, Array, Number)
    dropped = (dict,)

    def refusal(self, name: str) -> WeightsError:
        return refusal(name)


def read_pickle(file: io.BufferedIOBase) -> Any:
    """The values in a pickle. Raises WeightsError, naming what it asks for, when it is anything but numbers and known records."""
    try:
        return _Reader(file, encoding="latin1").load()
    except WeightsError:
        raise
    except Refused as error:
        raise WeightsError(f"it {error}; files of a known kind do not do that, so it is refused") from error
    except Exception as error:  # a damaged file can fail in any way: short reads, wrong stack, wrong types, no memory
        raise WeightsError(f"it is damaged, or no checkpoint at all ({type(error).__name__}: {error}); get it again") from error
