"""The Surrey Face Model in eos's cereal binaries (Huber et al., "A Multiresolution 3D Morphable Face Model and Fitting Framework", 2016).

Little-endian. Shape file: u32 version; matrices (i32 rows, i32 columns, f32 column-major): mean (3V, 1), orthonormal basis (3V, K),
eigenvalues (K, 1); u64 n, n × 3 i32 triangles; the same again for colours; u64 n, n × 2 f64 texture coordinates. Blendshape file: u64 n,
then n times: u64 length, name, matrix (3V, 1) of displacements at full strength. Millimetres.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from cddfm.errors import UserError
from cddfm.morphable.raw import LARGEST_FILE, MOST_TRIANGLES, RawModel, components, damaged, deviations, faces, vectors

VERSION = 1
MILLIMETRE = 0.1

IBUG_TO_3448 = {
    8: 33, 17: 225, 18: 229, 19: 233, 20: 2086, 21: 157, 22: 590, 23: 2091, 24: 666, 25: 662, 26: 658, 27: 2842, 28: 379, 29: 272, 30: 114,
    31: 100, 32: 2794, 33: 270, 34: 2797, 35: 537, 36: 177, 37: 172, 38: 191, 39: 181, 40: 173, 41: 174, 42: 614, 43: 624, 44: 605, 45: 610,
    46: 607, 47: 606, 48: 398, 49: 315, 50: 413, 51: 329, 52: 825, 53: 736, 54: 812, 55: 841, 56: 693, 57: 411, 58: 264, 59: 431, 61: 416,
    62: 423, 63: 828, 65: 817, 66: 442, 67: 404,
}  # fmt: skip
"""iBUG number (from 0) → vertex of the 3,448-vertex model, as published with eos (`ibug_to_sfm.txt`, there counted from 1)."""


class Reader:
    """Numbers off a file, one after the other; never beyond its end."""

    def __init__(self, path: Path):
        if path.stat().st_size > LARGEST_FILE:
            raise damaged(path, "it is larger than any face model")
        self.path, self.data, self.place = path, path.read_bytes(), 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.place + count > len(self.data):
            raise damaged(self.path, f"it ends after {len(self.data)} bytes where {self.place + count} are announced")
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self, code: str) -> int:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def matrix(self) -> np.ndarray:
        rows, columns = self.number("i"), self.number("i")
        if rows < 0 or columns < 0:
            raise damaged(self.path, f"a matrix has {rows} rows and {columns} columns")
        return np.frombuffer(self.take(4 * rows * columns), "<f4").reshape(columns, rows).T

    def triples(self) -> np.ndarray:
        count = self.number("Q")
        if count > MOST_TRIANGLES:
            raise damaged(self.path, f"it announces {count} triangles")
        return np.frombuffer(self.take(12 * count), "<i4").reshape(-1, 3)

    def end(self) -> None:
        if self.place != len(self.data):
            raise damaged(self.path, f"{len(self.data) - self.place} bytes are left after the model's end")


def looks_like_shape(head: bytes) -> bool:
    """A small version, then a one-column matrix whose rows are x y z of vertices."""
    if len(head) < 12:
        return False
    version, rows, columns = struct.unpack("<Iii", head[:12])
    return version < 100 and columns == 1 and rows > 0 and rows % 3 == 0


def looks_like_blendshapes(head: bytes) -> bool:
    """A small count, then a short printable name."""
    if len(head) < 20:
        return False
    count, length = struct.unpack("<QQ", head[:16])
    return 0 < count < 1000 and 0 < length < 200 and head[16 : 16 + min(length, 4)].isascii() and head[16:17].isalpha()


def read_shape(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Mean [V, 3], identity [K, V, 3], triangles, and colours (mean, basis) in the file's range where it has some."""
    reader = Reader(path)
    version = reader.number("I")
    if version != VERSION:
        raise UserError(f"{path} is an eos model of version {version}; cddfm reads version {VERSION}: save it with an eos of that version")
    shape, shape_triangles = _pca(reader, "shape")
    if shape is None:
        raise damaged(path, "it holds no shape")
    colour, _ = _pca(reader, "colour")
    reader.take(16 * reader.number("Q"))
    reader.end()
    mean, identity = shape
    return mean, identity, faces(path, "triangles", shape_triangles, len(mean)), colour


def _pca(reader: Reader, name: str) -> tuple[tuple[np.ndarray, np.ndarray] | None, np.ndarray]:
    mean, basis, eigenvalues = reader.matrix(), reader.matrix(), reader.matrix()
    triangles = reader.triples()
    if mean.size == 0:
        return None, triangles
    points = vectors(reader.path, f"{name} mean", mean)
    scales = deviations(reader.path, f"{name} eigenvalues", eigenvalues)
    return (points, components(reader.path, f"{name} basis", basis, scales, len(points))), triangles


def read_blendshapes(path: Path) -> dict[str, np.ndarray]:
    """Displacement [V, 3] at full strength, by name."""
    reader = Reader(path)
    found = {}
    for _ in range(reader.number("Q")):
        name = reader.take(reader.number("Q")).decode("utf-8", "replace")
        found[name] = vectors(path, f"blendshape {name!r}", reader.matrix())
    reader.end()
    return found


def read_surrey(path: Path) -> RawModel:
    """The shape file, with the blendshapes that lie beside it (any file of theirs with as many vertices)."""
    mean, identity, triangles, colour = read_shape(path)
    shapes = _neighbour(path, len(mean))
    scale = 255.0 if colour is not None and colour[0].max() > 2.0 else 1.0
    return RawModel(
        source="Surrey Face Model (eos)",
        unit=MILLIMETRE,
        mean=mean,
        identity=identity,
        expression=np.stack(list(shapes.values())) if shapes else np.zeros((0, len(mean), 3), np.float32),
        triangles=triangles,
        named=True,
        expression_names=tuple(shapes),
        albedo_mean=None if colour is None else colour[0] / scale,
        albedo_basis=None if colour is None else colour[1] / scale,
        landmarks=IBUG_TO_3448 if len(mean) == 3448 else {},
    )


def _neighbour(path: Path, vertices: int) -> dict[str, np.ndarray]:
    for other in sorted(path.parent.glob("*.bin")):
        if other == path:
            continue
        with other.open("rb") as file:
            head = file.read(32)
        if looks_like_blendshapes(head):
            shapes = read_blendshapes(other)
            if shapes and all(len(shape) == vertices for shape in shapes.values()):
                return shapes
    return {}
