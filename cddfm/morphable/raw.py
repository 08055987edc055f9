"""What a reader of one format hands over: the file's own numbers, checked for sense, before they are brought to our frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cddfm.errors import UserError

MOST_VERTICES, MOST_TRIANGLES, MOST_COMPONENTS = 2_000_000, 4_000_000, 2_000
"""More than any face model has: numbers beyond these come from a damaged or hostile file."""

LARGEST_FILE = 4 << 30
"""Bytes that a file, or what it unpacks to, may have."""


@dataclass(frozen=True)
class RawModel:
    """source: the kind of model. unit: centimetres in one unit of the file. Bases [components, vertices, 3] at one standard deviation
    (named expressions: at full strength). axes as ours (x to the head's left, y up, z forward); any origin; any winding.

    named: whether the expressions mean what their names say, instead of being principal components. albedo_mean, albedo_basis: sRGB in
    [0, 1]. landmarks: iBUG number → vertex, as far as known. points: iBUG number → place in the file's frame, where only that is known.
    parts: vertices of `model.PARTS`, the rest is surface. joints: name → place in the file's frame.
    """

    source: str
    unit: float
    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    triangles: np.ndarray
    named: bool = False
    identity_names: tuple[str, ...] = ()
    expression_names: tuple[str, ...] = ()
    albedo_mean: np.ndarray | None = None
    albedo_basis: np.ndarray | None = None
    landmarks: Mapping[int, int] = field(default_factory=dict)
    points: Mapping[int, np.ndarray] = field(default_factory=dict)
    skin: np.ndarray | None = None
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    joints: Mapping[str, np.ndarray] = field(default_factory=dict)


def damaged(path: Path, what: str) -> UserError:
    """The sentence for a file that is of a known kind but does not hold together."""
    return UserError(f"the model file {path} is damaged or incomplete ({what}); get it again from where it came")


def vectors(path: Path, name: str, values: np.ndarray, vertices: int | None = None) -> np.ndarray:
    """(3V,), (3V, 1) or (1, 3V) numbers, x y z of one vertex after the other → [V, 3]."""
    flat = np.asarray(values)
    if flat.size % 3 or max(flat.shape, default=0) != flat.size:
        raise damaged(path, f"{name} has shape {flat.shape} where three numbers for each vertex belong")
    if vertices is not None and flat.size != 3 * vertices:
        raise damaged(path, f"{name} has {flat.size // 3} vertices where the model has {vertices}")
    return flat.reshape(-1, 3).astype(np.float32)


def components(path: Path, name: str, columns: np.ndarray, scales: np.ndarray | None, vertices: int) -> np.ndarray:
    """(3V, K) columns, times one scale each → [K, V, 3]."""
    columns = np.asarray(columns)
    if columns.ndim != 2 or columns.shape[0] != 3 * vertices or not 0 < columns.shape[1] <= MOST_COMPONENTS:
        raise damaged(path, f"{name} has shape {columns.shape} where ({3 * vertices}, components) belongs")
    basis = np.ascontiguousarray(columns.T, dtype=np.float32).reshape(columns.shape[1], vertices, 3)
    if scales is None:
        return basis
    scales = np.asarray(scales, dtype=np.float32).reshape(-1)
    if scales.size != columns.shape[1]:
        raise damaged(path, f"{name} has {columns.shape[1]} components but {scales.size} deviations")
    return basis * scales[:, None, None]


def deviations(path: Path, name: str, variances: np.ndarray) -> np.ndarray:
    """Square roots; a negative variance is damage."""
    variances = np.asarray(variances, dtype=np.float64).reshape(-1)
    if not (variances >= 0).all():
        raise damaged(path, f"{name} has negative or undefined variances")
    return np.sqrt(variances)


def faces(path: Path, name: str, values: np.ndarray, vertices: int, first: int = 0) -> np.ndarray:
    """(F, 3) or (3, F) indices that count from `first` → [F, 3] from 0."""
    table = np.asarray(values)
    if table.ndim != 2 or 3 not in table.shape[:2]:
        raise damaged(path, f"{name} has shape {table.shape} where three corners for each triangle belong")
    table = (table if table.shape[1] == 3 else table.T).astype(np.int64) - first
    if table.size and not (0 <= table.min() and table.max() < vertices):
        raise damaged(path, f"{name} names vertex {int(table.max()) + first} of {vertices}")
    return table


def check(path: Path, raw: RawModel) -> RawModel:
    """The model, if every array fits and every number is finite; raises UserError otherwise."""
    count = raw.mean.shape[0]
    if not (68 <= count <= MOST_VERTICES and 1 <= raw.triangles.shape[0] <= MOST_TRIANGLES):
        raise damaged(path, f"{count} vertices and {raw.triangles.shape[0]} triangles make no face")
    for name in ("identity", "expression", "albedo_basis"):
        basis = getattr(raw, name)
        if basis is not None and (basis.ndim != 3 or basis.shape[1:] != (count, 3)):
            raise damaged(path, f"{name} has shape {basis.shape} with {count} vertices")
    for name in ("mean", "identity", "expression", "albedo_mean", "albedo_basis"):
        values = getattr(raw, name)
        if values is not None and not np.isfinite(values).all():
            raise damaged(path, f"{name} holds numbers that are not finite")
    faces(path, "triangles", raw.triangles, count)
    if not all(0 <= vertex < count for vertex in raw.landmarks.values()):
        raise damaged(path, f"a landmark names a vertex beyond {count}")
    extent = float(np.ptp(raw.mean, axis=0).max()) * raw.unit
    if not 5.0 < extent < 120.0:
        raise damaged(path, f"the head measures {extent:.3g} cm where 10 to 60 are usual")
    return raw
