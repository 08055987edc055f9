"""Files with the documented keys and shapes of everybody's models, whose numbers are the built-in head's."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import types
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat
from scipy.sparse import csc_matrix

from cddfm.head import build_head
from cddfm.morphable import meshes

MODEL = build_head().model
EYES = MODEL.landmarks.numpy()[36:48]
SHAPES, MOVES, COLOURS = 4, 8, 3


def moves(name: str) -> np.ndarray:
    """The built-in head's displacements of a named expression, [vertices, 3] in cm."""
    return MODEL.expression_basis.numpy()[MODEL.expression_names.index(name)]


def face() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The built-in head's skin: points in cm, triangles, its 68 landmarks, and the vertices of the built-in head that it consists of."""
    regions = build_head().regions
    skin = ((regions["skin"] | regions["scalp"]) & ~regions["ears"]).numpy()
    triangles, used = meshes.compact(MODEL.triangles.numpy(), skin)
    place = {int(vertex): index for index, vertex in enumerate(used)}
    marks = np.array([place[int(vertex)] for vertex in MODEL.landmarks])
    return MODEL.mean.numpy()[used].astype(np.float64), triangles, marks, used


def columns(basis: np.ndarray) -> np.ndarray:
    """[K, V, 3] → (3V, K)."""
    return basis.reshape(len(basis), -1).T


def write_bfm_2009(path: Path) -> Path:
    points, triangles, _, used = face()
    shapes = MODEL.identity_basis.numpy()[:SHAPES, used]
    lengths = np.linalg.norm(shapes.reshape(SHAPES, -1), axis=1)
    savemat(path, {
        "shapeMU": points.reshape(-1, 1) * 1e4, "shapePC": columns(shapes / lengths[:, None, None]), "shapeEV": lengths[:, None] * 1e4,
        "texMU": np.full((points.size, 1), 188.0), "texPC": columns(MODEL.albedo_basis.numpy()[:COLOURS, used]),
        "texEV": np.full((COLOURS, 1), 20.0), "tl": triangles[:, ::-1] + 1,
    })  # fmt: skip
    return path


def write_deep3d(path: Path) -> Path:
    points, triangles, marks, used = face()
    savemat(path, {
        "meanshape": points.reshape(1, -1) / 10, "idBase": columns(MODEL.identity_basis.numpy()[:SHAPES, used]) / 10,
        "exBase": columns(mixed(MODEL.expression_basis.numpy()[:, used])) / 10, "meantex": np.full((1, points.size), 188.0),
        "texBase": columns(MODEL.albedo_basis.numpy()[:COLOURS, used]) * 20, "tri": triangles + 1,
        "point_buf": np.zeros((len(points), 8)), "keypoints": marks[None] + 1, "skinmask": np.ones((1, len(points))),
    })  # fmt: skip
    return path


def mixed(basis: np.ndarray, count: int = 30) -> np.ndarray:
    """Components without a meaning that span what the basis spans."""
    mixing, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(len(basis), len(basis))))
    return np.einsum("kj,jvn->kvn", mixing[:count], basis)


def write_bfm_2017(path: Path, expression: bool = True) -> Path:
    points, triangles, marks, used = face()
    with h5py.File(path, "w") as file:
        groups = {
            "shape": (points * 10, MODEL.identity_basis.numpy()[:SHAPES, used] * 10),
            "color": (np.full_like(points, 0.7), MODEL.albedo_basis.numpy()[:COLOURS, used]),
        }
        if expression:
            groups["expression"] = (np.zeros_like(points), mixed(MODEL.expression_basis.numpy()[:, used], MOVES) * 10)
        for name, (mean, basis) in groups.items():
            lengths = np.linalg.norm(basis.reshape(len(basis), -1), axis=1)
            file[f"{name}/model/mean"] = mean.reshape(-1)
            file[f"{name}/model/pcaBasis"] = columns(basis / lengths[:, None, None])
            file[f"{name}/model/pcaVariance"] = lengths**2
        file["shape/representer/cells"] = triangles.T
        named = [{"id": "center.nose.tip", "coordinates": (points[marks[30]] * 10).tolist()}, {"id": "left.ear", "coordinates": [1, 2, 3]}]
        file["metadata/landmarks/json"] = json.dumps(named)
    return path


def write_flame(path: Path, protocol: int = 2, chumpy: bool = True) -> Path:
    points, triangles = MODEL.mean.numpy().astype(np.float64) / 100 + 0.05, MODEL.triangles.numpy()
    count = len(points)
    directions = np.zeros((count, 3, 308))
    directions[:, :, :SHAPES] = MODEL.identity_basis.numpy()[:SHAPES].transpose(1, 2, 0) / 100
    directions[:, :, 300:] = mixed(MODEL.expression_basis.numpy(), MOVES).transpose(1, 2, 0) / 100
    weights = np.zeros((count, 5))
    weights[:, 2] = moves("jawOpen")[:, 1] < -1.0
    right, left = (np.abs(points - points[EYES[6 * k : 6 * k + 6]].mean(0)).max(1) < 0.014 for k in (0, 1))
    balls = build_head().regions["eyeballs"].numpy()
    weights[balls & left, 3], weights[balls & right, 4] = 1.0, 1.0
    weights[:, 0] = 1 - weights.sum(1)
    regressor = np.zeros((5, count))
    regressor[np.arange(5), [0, 1, MODEL.landmarks[0], *EYES[[9, 3]]]] = 1.0

    def array(values: np.ndarray) -> Any:
        return chumpy_array(values) if chumpy else values

    held = {
        "v_template": array(points), "shapedirs": array(directions), "posedirs": np.zeros((count, 3, 36)), "weights": weights,
        "J_regressor": csc_matrix(regressor), "kintree_table": np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
        "f": triangles.astype(np.uint32), "bs_style": "lbs",
    }  # fmt: skip
    path.write_bytes(pickle.dumps(held, protocol=protocol))
    return path


def chumpy_array(values: np.ndarray) -> Any:
    """What FLAME's files hold in place of an array."""
    wrapped = _chumpy_class()()
    wrapped.__dict__.update(x=values, _dirty_vars={"x"}, _itr=None)
    return wrapped


def _chumpy_class() -> type:
    """A class that pickles as chumpy.ch.Ch without chumpy being there."""
    if "chumpy.ch" not in sys.modules:
        module = types.ModuleType("chumpy.ch")
        module.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
        sys.modules["chumpy"], sys.modules["chumpy.ch"] = types.ModuleType("chumpy"), module
    return sys.modules["chumpy.ch"].Ch


def write_surrey(folder: Path, blendshapes: bool = True) -> Path:
    points, triangles, _, used = face()
    shapes = MODEL.identity_basis.numpy()[:SHAPES, used] * 10
    lengths = np.linalg.norm(shapes.reshape(SHAPES, -1), axis=1)

    def matrix(values: np.ndarray) -> bytes:
        return struct.pack("<ii", *values.shape) + values.astype("<f4").tobytes(order="F")

    empty = struct.pack("<ii", 0, 1) + struct.pack("<ii", 0, 0) + struct.pack("<ii", 0, 1) + struct.pack("<Q", 0)
    (folder / "shape.bin").write_bytes(
        struct.pack("<I", 1) + matrix(points.reshape(-1, 1) * 10) + matrix(columns(shapes / lengths[:, None, None]))
        + matrix(lengths[:, None] ** 2) + struct.pack("<Q", len(triangles)) + triangles.astype("<i4").tobytes() + empty
        + struct.pack("<Q", 0)
    )  # fmt: skip
    if blendshapes:
        named = {name: moves(own)[used] * 10 for name, own in (("surprise", "jawOpen"), ("happiness", "mouthSmile_L"))}
        parts = [struct.pack("<Q", len(name)) + name.encode() + matrix(values.reshape(-1, 1)) for name, values in named.items()]
        (folder / "moves.bin").write_bytes(struct.pack("<Q", len(parts)) + b"".join(parts))
    return folder / "shape.bin"


def write_ict(folder: Path, names: tuple[str, ...] = ("jawOpen", "mouthSmile_L")) -> Path:
    folder.mkdir(exist_ok=True)
    points, triangles, marks, used = face()
    meshes_by_name = {"generic_neutral_mesh": points}
    meshes_by_name |= {f"identity{k:03d}": points + MODEL.identity_basis.numpy()[k, used] for k in range(SHAPES)}
    meshes_by_name |= {name: points + MODEL.expression_basis.numpy()[MODEL.expression_names.index(name), used] for name in names}
    for name, mesh in meshes_by_name.items():
        lines = ["# a comment", *("v {:.6g} {:.6g} {:.6g}".format(*point) for point in mesh)]
        lines += ["usemtl M_Face", *("f {}/1 {}/2 {}/3".format(*(corner + 1)) for corner in triangles)]
        (folder / f"{name}.obj").write_text("\n".join(lines))
    table = {"expressions": [*names, "absentOne"], "idx_to_landmark_verts": marks.tolist()}
    (folder / "vertex_indices.json").write_text(json.dumps(table))
    return folder
