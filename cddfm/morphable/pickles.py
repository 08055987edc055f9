"""A pickle reader for FLAME's files that executes nothing: numbers and known records only.

A `stylespace.closed_pickle` reader to which scipy's sparse matrices and chumpy's arrays are records of their attributes (neither library is
imported); every other name is refused before anything is made of it.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from stylespace.closed_pickle import NUMPY, Allowed, Array, ClosedReader, Number, Refused, Sealed


class Record(metaclass=Sealed):
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


class ObjectClass(metaclass=Sealed):
    """Stands for the name object where it is an argument."""


def _new_object(kind: object, *_: object) -> Record:
    """copy_reg._reconstructor: an empty object of a known record."""
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        raise Refused("rebuilds an object of another class")
    return kind()


SPARSE = re.compile(r"scipy\.sparse(\._?(csc|csr|coo))?")
CHUMPY = re.compile(r"chumpy(\.\w+)*")


class _Reader(ClosedReader):
    """Every sparse matrix of scipy and every array of chumpy besides."""

    allowed: Allowed = {
        **NUMPY,
        ("collections", "OrderedDict"): OrderedDict,
        ("copyreg", "_reconstructor"): _new_object,
        ("copy_reg", "_reconstructor"): _new_object,
        **{(module, "set"): Scrap for module in ("builtins", "__builtin__", "sets")},
        ("collections", "defaultdict"): Scrap,
        ("weakref", "WeakKeyDictionary"): Scrap,
        ("builtins", "object"): ObjectClass,
        ("__builtin__", "object"): ObjectClass,
    }
    fillable = (Record, Number, Array)

    def refusal(self, name: str) -> Refused:
        return Refused(f"asks for {name}, which no face model needs")

    def find_class(self, module_name: str, global_name: str) -> Any:
        if SPARSE.fullmatch(module_name) and re.fullmatch(r"(csc|csr|coo)_(matrix|array)", global_name):
            return Sparse
        if CHUMPY.fullmatch(module_name) and re.fullmatch(r"\w+", global_name):
            return Chumpy
        return super().find_class(module_name, global_name)


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
