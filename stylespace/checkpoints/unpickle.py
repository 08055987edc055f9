"""A pickle reader that executes nothing: it knows the few names that StyleGAN2 checkpoints use, and refuses every other one.

Stock unpickling calls whatever a file names. NVIDIA's files moreover carry the source code of their classes and expect the reader to run
it, and their tensors are pickles inside the pickle. Here every allowed name is a function of this module that builds plain values:

* modules become `PersistentObject` (class name and attributes; the source code is dropped),
* TensorFlow networks become `NetworkRecord`,
* tensor storages go through `torch.load(weights_only=True)`, and tensors are cut out of them with bounds checked,
* numpy arrays are rebuilt from raw bytes of plain number types; arrays of Python objects are refused.

The reader is the standard library's Python implementation: its instructions can be overridden one by one, and its memo is a dictionary, so
that a file cannot reserve memory by naming a large memo index, as it can in the C implementation.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylespace.checkpoints.archive import load_archive, refusal
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

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, Mapping):
            raise WeightsError("it holds a network record without a dictionary; it is damaged")
        self.state = state


class _Number:
    """numpy's dtype, restricted to plain numbers."""

    def __init__(self, code: object, *_: object):
        match = re.fullmatch(r"[<>=|]?([biuf])([1248])", code) if isinstance(code, str) else None
        if match is None:
            what = "arrays of Python objects" if str(code).lstrip("<>=|").startswith("O") else f"arrays of type {code!r}"
            raise WeightsError(f"it holds numpy {what}, which can hide code and which no generator needs; it is refused")
        self.kind, self.order = match[1] + match[2], "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subarray, names, fields = state[:5]
        if order not in ("<", ">", "=", "|") or (subarray, names, fields) != (None, None, None):
            raise WeightsError("it holds structured numpy arrays, which no generator needs; it is refused")
        self.order = ">" if order == ">" else "<"

    def read(self, data: object, shape: tuple[int, ...], fortran: bool = False) -> np.ndarray:
        if not isinstance(data, (bytes, bytearray)):
            raise WeightsError("it holds a numpy array that is not made of bytes (an array of Python objects); it is refused")
        values = np.frombuffer(bytes(data), dtype=np.dtype(self.order + self.kind)).reshape(shape, order="F" if fortran else "C")
        return values.astype(values.dtype.newbyteorder("="))


class ArrayRecord:
    """A numpy array: `values`, once the file has filled it."""

    values: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, number, fortran, data = state
        self.values = number.read(data, shape, bool(fortran))


class _ArrayClass:
    """Stands for the name numpy.ndarray where it is an argument."""


def _new_array(kind: object, *_: object) -> ArrayRecord:
    if kind is not _ArrayClass:
        raise WeightsError("it rebuilds a numpy array of another class than ndarray; it is refused")
    return ArrayRecord()


def _array_from_buffer(data: object, number: _Number, shape: tuple[int, ...], order: str) -> ArrayRecord:
    array = ArrayRecord()
    array.values = number.read(data, shape, order == "F")
    return array


def _scalar(number: _Number, data: object) -> float:
    return number.read(data, ()).item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How protocol 2 writes bytes."""
    return text.encode("latin1")


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


ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): _encode,
    ("dnnlib.util", "EasyDict"): EasyDict,
    ("dnnlib.tflib.network", "Network"): NetworkRecord,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("numpy", "dtype"): _Number,
    ("numpy", "ndarray"): _ArrayClass,
    **{
        (f"numpy.{core}.{module}", name): function
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "scalar", _scalar),
            ("multiarray", "_reconstruct", _new_array),
            ("numeric", "_frombuffer", _array_from_buffer),
        )
    },
}
"""Every name that a file may use, and what stands for it."""

FILLED = (NetworkRecord, ArrayRecord, _Number)
"""The only things whose state a file may set after they were made."""


class _Reader(pickle._Unpickler):
    """The pickle machine with closed doors."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        known = ALLOWED.get((module_name, global_name))
        if known is None:
            raise refusal(f"{module_name}.{global_name}")
        return known

    def get_extension(self, code: int) -> None:
        raise refusal(f"extension {code}")

    def load_build(self) -> None:
        state = self.stack.pop()
        filled = self.stack[-1]
        if isinstance(filled, FILLED):
            filled.__setstate__(state)
        elif not isinstance(filled, dict):  # attributes of dictionaries (state_dict's _metadata) are not needed
            raise WeightsError(f"it tries to change a {type(filled).__name__}; files do not do that, so it is refused")

    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def read_pickle(file: io.BufferedIOBase) -> Any:
    """The values in a pickle. Raises WeightsError, naming what it asks for, when it is anything but numbers and known records."""
    try:
        return _Reader(file, encoding="latin1").load()
    except WeightsError:
        raise
    except Exception as error:  # a damaged file can fail in any way: short reads, wrong stack, wrong types, no memory
        raise WeightsError(f"it is damaged, or no checkpoint at all ({type(error).__name__}: {error}); get it again") from error
