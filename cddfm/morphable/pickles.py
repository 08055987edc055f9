"""A pickle reader for FLAME's files that executes nothing: numbers and known records only.

Stock unpickling calls whatever a file names. Here every allowed name is a function or class of this module that builds plain values: numpy
arrays are rebuilt from raw bytes of plain number types, scipy's sparse matrices and chumpy's arrays become records of their attributes
(neither library is imported), and every other name is refused before anything is made of it. The reader is the standard library's Python
implementation, whose instructions can be overridden one by one and whose memo cannot be made to reserve memory.
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


class Refused(Exception):
    """What a pickle asks for that no face model needs; the message completes "it …"."""


class _Sealed(type):
    """Classes that a file can name must not be changed by it."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise Refused(f"tries to change {cls.__name__}.{name}")


class Record(metaclass=_Sealed):
    """An object of a class that is not needed itself: its attributes."""

    state: Mapping[str, Any] = {}

    def __init__(self, *_: object):
        """Whatever it was made from is not needed."""

    def fill(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) == 2:  # (attributes, slots)
            state = {**(state[0] or {}), **(state[1] or {})}
        if not isinstance(state, Mapping):
            raise Refused(f"gives a {type(self).__name__} no attributes")
        self.__dict__["state"] = dict(state)


class Chumpy(Record):
    """chumpy.ch.Ch: the numbers are its attribute x; and what was selected or reshaped from one."""


class Scrap(Record):
    """A container that chumpy keeps beside the numbers: what it holds is not needed."""


class Sparse(Record):
    """A scipy sparse matrix: data, indices, indptr, _shape."""


class Number(metaclass=_Sealed):
    """numpy's dtype, restricted to plain numbers."""

    kind, order = "f4", "<"

    def __init__(self, code: object, *_: object):
        match = re.fullmatch(r"[<>=|]?([biuf])([1248])", code) if isinstance(code, str) else None
        if match is None:
            raise Refused(f"holds numpy arrays of type {code!r}, which can hide code and which no face model needs")
        self.__dict__["kind"], self.__dict__["order"] = match[1] + match[2], "<"

    def fill(self, state: object) -> None:
        plain = isinstance(state, tuple) and len(state) >= 5 and state[2:5] == (None, None, None)
        if not plain or state[1] not in ("<", ">", "=", "|"):
            raise Refused("holds structured numpy arrays")
        self.__dict__["order"] = ">" if state[1] == ">" else "<"

    def read(self, data: object, shape: object, fortran: bool) -> np.ndarray:
        data = data.encode("latin1") if isinstance(data, str) else data  # how Python 2 wrote bytes
        if not isinstance(data, (bytes, bytearray)) or not isinstance(shape, tuple):
            raise Refused("holds a numpy array that is not made of bytes")
        dtype = np.dtype(self.order + self.kind)
        if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(data):
            raise Refused(f"holds {len(data)} bytes for an array of shape {shape}")
        values = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return values.astype(dtype.newbyteorder("="))


class Array(metaclass=_Sealed):
    """A numpy array, once the file has filled it."""

    values: np.ndarray = np.zeros(0)

    def fill(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], Number):
            raise Refused("fills a numpy array with something else than numbers")
        self.__dict__["values"] = state[2].read(state[4], state[1], bool(state[3]))


class ArrayClass(metaclass=_Sealed):
    """Stands for the name numpy.ndarray where it is an argument."""


class ObjectClass(metaclass=_Sealed):
    """Stands for the name object where it is an argument."""


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
    if not isinstance(text, str):
        raise Refused("encodes something that is no text")
    return text.encode("latin1")


def _new_object(kind: object, *_: object) -> Record:
    """copy_reg._reconstructor: an empty object of a known record."""
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        raise Refused("rebuilds an object of another class")
    return kind()


ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("copyreg", "_reconstructor"): _new_object,
    ("copy_reg", "_reconstructor"): _new_object,
    **{(module, "set"): Scrap for module in ("builtins", "__builtin__", "sets")},
    ("collections", "defaultdict"): Scrap,
    ("weakref", "WeakKeyDictionary"): Scrap,
    ("builtins", "object"): ObjectClass,
    ("__builtin__", "object"): ObjectClass,
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
SPARSE = re.compile(r"scipy\.sparse(\._?(csc|csr|coo))?")
CHUMPY = re.compile(r"chumpy(\.\w+)*")


class _Reader(pickle._Unpickler):
    """The pickle machine with closed doors."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        known = ALLOWED.get((module_name, global_name))
        if known is not None:
            return known
        if SPARSE.fullmatch(module_name) and re.fullmatch(r"(csc|csr|coo)_(matrix|array)", global_name):
            return Sparse
        if CHUMPY.fullmatch(module_name) and re.fullmatch(r"\w+", global_name):
            return Chumpy
        raise Refused(f"asks for {module_name}.{global_name}, which no face model needs")

    def get_extension(self, code: int) -> None:
        raise Refused(f"asks for extension {code}")

    def persistent_load(self, pid: object) -> None:
        raise Refused("asks for objects outside the file")

    def load_build(self) -> None:
        state = self.stack.pop()
        filled = self.stack[-1]
        if not isinstance(filled, (Record, Number, Array)):
            raise Refused(f"tries to change a {type(filled).__name__}")
        filled.fill(state)

    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def read_pickle(file: io.BufferedIOBase) -> Any:
    """The values in a pickle, arrays as `Array`, other objects as records. Raises Refused for anything else, damage included."""
    try:
        return _Reader(file, encoding="latin1").load()
    except Refused:
        raise
    except Exception as error:  # a damaged file can fail in any way: short reads, wrong stack, wrong types, no memory
        raise Refused(f"ends or goes on in no sensible way ({type(error).__name__}: {error})") from error


def numbers(value: object) -> np.ndarray:
    """The dense array in what a pickle held: an array, a sparse matrix, a chumpy array or a selection of one."""
    if isinstance(value, Array):
        return value.values
    if isinstance(value, Sparse):
        return _dense(value.state)
    if isinstance(value, Chumpy):
        return _chumpy(value.state)
    if isinstance(value, (int, float)) or (isinstance(value, (list, tuple)) and all(isinstance(part, (int, float)) for part in value)):
        return np.asarray(value)
    raise Refused(f"holds a {type(value).__name__} where an array belongs")


def _chumpy(state: Mapping[str, Any]) -> np.ndarray:
    if "x" in state:
        return numbers(state["x"])
    if "a" in state and "idxs" in state:
        chosen = numbers(state["a"]).reshape(-1)[numbers(state["idxs"]).astype(np.int64)]
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape(tuple(numbers(shape).astype(int)))
    raise Refused("holds a chumpy expression whose numbers are not in the file")


def _dense(state: Mapping[str, Any]) -> np.ndarray:
    from scipy.sparse import coo_matrix, csc_matrix

    shape = state.get("_shape", state.get("shape"))
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(isinstance(size, int) and 0 < size < 10_000_000 for size in shape):
        raise Refused(f"holds a sparse matrix of shape {shape}")
    if shape[0] * shape[1] > 50_000_000:
        raise Refused(f"holds a sparse matrix of {shape[0]} × {shape[1]}")
    try:
        if "row" in state:
            return coo_matrix((numbers(state["data"]), (numbers(state["row"]), numbers(state["col"]))), shape).toarray()
        data, indices, indptr = (numbers(state[key]) for key in ("data", "indices", "indptr"))
        compressed = len(indptr) - 1
        matrix = csc_matrix((data, indices, indptr), shape if compressed == shape[1] else shape[::-1])
        matrix.check_format(full_check=True)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise Refused(f"holds a damaged sparse matrix ({error})") from error
    return matrix.toarray() if compressed == shape[1] else matrix.toarray().T
