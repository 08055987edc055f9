"""The parts of pickle readers that execute nothing: a machine with closed doors, and numpy's arrays rebuilt from raw bytes.

Stock unpickling calls whatever a file names. A reader made of these parts knows the names of its own table and refuses every other one
before anything is made of it. It is the standard library's Python implementation: its instructions can be overridden one by one, and its
memo is a dictionary, so that a file cannot reserve memory by naming a large memo index, as it can in the C implementation.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Allowed = Mapping[tuple[str, str], Callable[..., Any]]
"""(module, name) as a file writes them → what stands for it."""


class Refused(Exception):
    """What a pickle asks for and does not get; the message completes "it …"."""


class Sealed(type):
    """Classes that a file can name must not be changed by it."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise Refused(f"tries to change {cls.__name__}.{name}")


class Number(metaclass=Sealed):
    """numpy's dtype, restricted to plain numbers."""

    kind, order = "f4", "<"

    def __init__(self, code: object, *_: object):
        match = re.fullmatch(r"[<>=|]?([biuf])([1248])", code) if isinstance(code, str) else None
        if match is None:
            what = "of Python objects" if str(code).lstrip("<>=|").startswith("O") else f"of type {code!r}"
            raise Refused(f"holds numpy arrays {what}, which can hide code and are never needed")
        self.__dict__["kind"], self.__dict__["order"] = match[1] + match[2], "<"

    def fill(self, state: object) -> None:
        plain = isinstance(state, tuple) and len(state) >= 5 and state[2:5] == (None, None, None)
        if not plain or state[1] not in ("<", ">", "=", "|"):
            raise Refused("holds structured numpy arrays, which are never needed")
        self.__dict__["order"] = ">" if state[1] == ">" else "<"

    def read(self, data: object, shape: object, fortran: bool) -> np.ndarray:
        """Native numbers. Raises Refused unless these bytes are exactly an array of this shape."""
        data = data.encode("latin1") if isinstance(data, str) else data  # how Python 2 wrote bytes
        if not isinstance(data, (bytes, bytearray)) or not isinstance(shape, tuple):
            raise Refused("holds a numpy array that is not made of bytes")
        dtype = np.dtype(self.order + self.kind)
        if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(data):
            raise Refused(f"is damaged: it holds {len(data)} bytes for an array of shape {shape}")
        values = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return values.astype(dtype.newbyteorder("="))


class Array(metaclass=Sealed):
    """A numpy array: `values`, once the file has filled it."""

    values: np.ndarray = np.zeros(0)

    def fill(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], Number):
            raise Refused("fills a numpy array with something else than numbers")
        self.__dict__["values"] = state[2].read(state[4], state[1], bool(state[3]))


class ArrayClass(metaclass=Sealed):
    """Stands for the name numpy.ndarray where it is an argument."""


def _new_array(kind: object, *_: object) -> Array:
    if kind is not ArrayClass:
        raise Refused("rebuilds a numpy array of another class")
    return Array()


def _array_from_buffer(data: object, number: object, shape: object, order: object) -> Array:
    if not isinstance(number, Number):
        raise Refused("rebuilds a numpy array without a number type")
    array = Array()
    array.__dict__["values"] = number.read(data, shape, order == "F")
    return array


def _scalar(number: object, data: object) -> float:
    if not isinstance(number, Number):
        raise Refused("rebuilds a number without its type")
    return number.read(data, (), False).item()


def _encode(text: object, *_: object) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str):
        raise Refused("encodes something that is no text")
    return text.encode("latin1")


NUMPY: Allowed = {
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): Number,
    ("numpy", "ndarray"): ArrayClass,
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
"""The names by which numpy writes plain arrays and numbers."""


class ClosedReader(pickle._Unpickler):
    """The pickle machine with closed doors. A kind of file is a subclass.

    allowed: every name that a file may use. fillable: the only things whose state a file may set after they were made, by their `fill`.
    dropped: things whose further state is read and forgotten.
    """

    allowed: Allowed = NUMPY
    fillable: tuple[type, ...] = (Number, Array)
    dropped: tuple[type, ...] = ()

    def refusal(self, name: str) -> Exception:
        """What to raise for a name that is not allowed."""
        return Refused(f"asks for {name}")

    def find_class(self, module_name: str, global_name: str) -> Any:
        known = self.allowed.get((module_name, global_name))
        if known is None:
            raise self.refusal(f"{module_name}.{global_name}")
        return known

    def get_extension(self, code: int) -> None:
        raise self.refusal(f"extension {code}")

    def load_build(self) -> None:
        state = self.stack.pop()
        filled = self.stack[-1]
        if isinstance(filled, self.fillable):
            filled.fill(state)
        elif not isinstance(filled, self.dropped):
            raise Refused(f"tries to change a {type(filled).__name__}")

    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}
