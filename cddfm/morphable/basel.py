"""The Basel face models: BFM 2009 (`01_MorphableModel.mat`), Deep3DFaceRecon's cut (`BFM_model_front.mat`), BFM 2017/2019 (`.h5`).

BFM 2009 (Paysan et al., 2009): shapeMU, shapePC, shapeEV (standard deviations), texMU, texPC, texEV (0 to 255), tl (from 1, clockwise);
micrometres. Deep3DFaceRecon (Deng et al., CVPRW 2019): meanshape, idBase, exBase, meantex (0 to 255), texBase, tri (from 1), keypoints,
skinmask; bases times their deviations; decimetres. BFM 2017/2019 (Gerig et al., FG 2018), statismo files: shape|color|expression/model/
{mean, pcaBasis, pcaVariance}, shape/representer/cells, named landmarks as JSON; millimetres.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cddfm.errors import UserError
from cddfm.morphable.raw import LARGEST_FILE, RawModel, components, damaged, deviations, faces, vectors

MICROMETRE, DECIMETRE, MILLIMETRE = 1e-4, 10.0, 0.1

BFM_2009 = ("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV", "tl")
DEEP3D = ("meanshape", "idBase", "exBase", "meantex", "texBase", "tri", "keypoints")

IBUG_TO_2009 = {
    17: 38792, 19: 40087, 21: 40514, 22: 41091, 24: 41511, 26: 42825, 30: 8319, 33: 8334, 36: 2088, 39: 5959, 42: 10603, 45: 14472,
    48: 5006, 51: 8344, 54: 11714, 57: 8374, 62: 8354, 66: 8366,
}  # fmt: skip
"""iBUG number → vertex of the 53,490-vertex model, as published with eos (`ibug_to_bfm.txt`)."""

NAMED_POINTS = {
    "center.chin.tip": 8, "center.nose.tip": 30, "right.eye.corner_outer": 36, "right.eye.corner_inner": 39, "left.eye.corner_inner": 42,
    "left.eye.corner_outer": 45, "right.lips.corner": 48, "center.lips.upper.outer": 51, "left.lips.corner": 54,
    "center.lips.lower.outer": 57, "center.lips.upper.inner": 62, "center.lips.lower.inner": 66,
}  # fmt: skip
"""Names of the landmarks that BFM 2017/2019 files carry, and their iBUG numbers."""

MAT_ERRORS = (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, NotImplementedError, MemoryError, OverflowError,
              AttributeError, struct.error, zlib.error)  # fmt: skip
"""What scipy's reader raises on damaged files."""


def read_mat(path: Path) -> RawModel:
    """Either of the two, by the arrays that the file holds."""
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        held = {name: shape for name, shape, _ in whosmat(path)}
        for kind, keys in ((_read_2009, BFM_2009), (_read_deep3d, DEEP3D)):
            if held.keys() >= set(keys[:3]):
                if missing := [key for key in keys if key not in held]:
                    raise damaged(path, f"it lacks {', '.join(missing)}")
                wanted = [*keys, "skinmask", "segMB"]
                if sum(int(np.prod(held[name])) for name in wanted if name in held) > LARGEST_FILE // 8:
                    raise damaged(path, "its arrays are larger than any face model's")
                return kind(path, loadmat(path, variable_names=wanted))
    except (*MAT_ERRORS, MatReadError) as error:
        raise damaged(path, str(error)) from error
    needed = f"{_list(BFM_2009)} (BFM 2009) or {_list(DEEP3D)} (Deep3DFaceRecon)"
    raise UserError(f"{path} holds {_list(held)} and no face model; needed are {needed}")


def _list(names: Iterable[str]) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) if shown else "nothing"


def _read_2009(path: Path, array: dict[str, Any]) -> RawModel:
    mean = vectors(path, "shapeMU", array["shapeMU"])
    count = len(mean)
    return RawModel(
        source="Basel Face Model 2009",
        unit=MICROMETRE,
        mean=mean,
        identity=components(path, "shapePC", array["shapePC"], array["shapeEV"], count),
        expression=np.zeros((0, count, 3), np.float32),
        triangles=faces(path, "tl", array["tl"], count, first=1)[:, ::-1],
        albedo_mean=vectors(path, "texMU", array["texMU"], count) / 255,
        albedo_basis=components(path, "texPC", array["texPC"], array["texEV"], count) / 255,
        landmarks=IBUG_TO_2009 if count == 53490 else {},
    )


def _read_deep3d(path: Path, array: dict[str, Any]) -> RawModel:
    mean = vectors(path, "meanshape", array["meanshape"])
    count = len(mean)
    keypoints = np.asarray(array["keypoints"]).reshape(-1).astype(np.int64) - 1
    if keypoints.size != 68 or not ((keypoints >= 0) & (keypoints < count)).all():
        raise damaged(path, f"it has {keypoints.size} keypoints, or some beyond its {count} vertices, where 68 belong")
    skin = np.asarray(array["skinmask"]).reshape(-1) > 0.5 if "skinmask" in array else None
    if skin is not None and skin.size != count:
        raise damaged(path, f"skinmask has {skin.size} entries for {count} vertices")
    return RawModel(
        source="Deep3DFaceRecon's Basel Face Model",
        unit=DECIMETRE,
        mean=mean,
        identity=components(path, "idBase", array["idBase"], None, count),
        expression=components(path, "exBase", array["exBase"], None, count),
        triangles=faces(path, "tri", array["tri"], count, first=1),
        albedo_mean=vectors(path, "meantex", array["meantex"], count) / 255,
        albedo_basis=components(path, "texBase", array["texBase"], None, count) / 255,
        landmarks={number: int(vertex) for number, vertex in enumerate(keypoints)},
        skin=skin,
    )


def read_h5(path: Path) -> RawModel:
    """A statismo file of 2017 or 2019."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _read_statismo(path, file)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise damaged(path, str(error)) from error


def _read_statismo(path: Path, file: Any) -> RawModel:
    if _node(file, "shape/model/mean") is None:
        raise UserError(f"{path} is an HDF5 file with {_list(file)} and no 'shape/model/mean'; it is no Basel Face Model of 2017 or 2019")
    mean = vectors(path, "shape/model/mean", _array(path, file, "shape/model/mean"))
    count = len(mean)

    def pca(group: str) -> np.ndarray:
        scales = deviations(path, f"{group} variances", _array(path, file, f"{group}/model/pcaVariance"))
        return components(path, f"{group}/model/pcaBasis", _array(path, file, f"{group}/model/pcaBasis"), scales, count)

    expression = np.zeros((0, count, 3), np.float32)
    if _node(file, "expression/model/pcaBasis") is not None:
        mean = mean + vectors(path, "expression/model/mean", _array(path, file, "expression/model/mean"), count)
        expression = pca("expression")
    coloured = _node(file, "color/model/mean") is not None
    colour = vectors(path, "color/model/mean", _array(path, file, "color/model/mean"), count) if coloured else None
    scale = 255.0 if colour is not None and colour.max() > 2.0 else 1.0
    return RawModel(
        source="Basel Face Model 2017/2019",
        unit=MILLIMETRE,
        mean=mean,
        identity=pca("shape"),
        expression=expression,
        triangles=faces(path, "shape/representer/cells", _array(path, file, "shape/representer/cells"), count),
        albedo_mean=None if colour is None else colour / scale,
        albedo_basis=pca("color") / np.float32(scale) if coloured else None,
        points=_named_points(file),
    )


def _node(file: Any, key: str) -> Any | None:
    """The node, unless it is missing or lies in another file (a link that leads out of this one is not followed)."""
    import h5py

    node = file
    for name in key.split("/"):
        if not isinstance(node, h5py.Group) or not isinstance(node.get(name, getlink=True), h5py.HardLink):
            return None
        node = node[name]
    return node


def _array(path: Path, file: Any, key: str) -> np.ndarray:
    import h5py

    node = _node(file, key)
    if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "fiu" or node.external:
        raise damaged(path, f"it has no array of numbers {key!r}")
    if node.size * node.dtype.itemsize > LARGEST_FILE:
        raise damaged(path, f"{key} is larger than any face model")
    return node[()]


def _named_points(file: Any) -> dict[int, np.ndarray]:
    """Landmarks of the metadata that have an iBUG number; none where the metadata is missing or unreadable."""
    import h5py

    node = _node(file, "metadata/landmarks/json")
    if not isinstance(node, h5py.Dataset) or node.size is None or node.size > 16:
        return {}
    value = np.asarray(node[()]).reshape(-1)[0]
    try:
        entries = json.loads(value.decode() if isinstance(value, bytes) else str(value))
        known = [entry for entry in entries if entry["id"] in NAMED_POINTS]
        named = {NAMED_POINTS[entry["id"]]: np.asarray(entry["coordinates"], np.float64) for entry in known}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return {number: point for number, point in named.items() if point.shape == (3,) and np.isfinite(point).all()}
