"""ICT-FaceKit (Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020): a folder of OBJ files, or one .npz.

The folder (`FaceXModel`) has `generic_neutral_mesh.obj`, `identity###.obj`, one OBJ for each expression, and `vertex_indices.json` with the
order of expressions and the 68 landmarks. Every OBJ is the neutral head moved by one component. Centimetres; quads are cut in two.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np

from cddfm.errors import UserError
from cddfm.morphable.raw import LARGEST_FILE, MOST_COMPONENTS, MOST_VERTICES, RawModel, damaged

NEUTRAL = "generic_neutral_mesh.obj"
INDICES = "vertex_indices.json"
ARRAYS = {"neutral", "triangles", "identity", "expression", "expression_names", "landmarks68"}

LIGHT_VERTICES = 26719
LIGHT_PARTS = {
    "mouth": ((11248, 13294), (14062, 17039)),
    "teeth": ((17039, 21451),),
    "eyeball_L": ((21451, 23021),),
    "eyeball_R": ((23021, 24591),),
    "overlay": ((13294, 14062), (24591, 26719)),
}
"""First vertex and the one after the last, as the model's documentation lists its regions: mouth socket, gums and tongue; teeth; eyeballs;
eye sockets, tear film, blends, occlusion and lashes."""


def find_folder(path: Path) -> Path | None:
    """The folder with the neutral mesh: this one or its `FaceXModel`."""
    return next((folder for folder in (path, path / "FaceXModel") if (folder / NEUTRAL).is_file()), None)


def read_folder(folder: Path) -> RawModel:
    """All components whose files are there."""
    indices = _read_indices(folder / INDICES)
    mean, triangles = _read_obj(folder / NEUTRAL, with_faces=True)
    identity_files = sorted(path for path in folder.glob("identity*.obj") if re.fullmatch(r"identity\d+", path.stem))
    names = [name for name in indices["expressions"] if (folder / f"{name}.obj").is_file()]
    if not identity_files:
        raise damaged(folder, "there is no identity000.obj")
    if len(identity_files) + len(names) > MOST_COMPONENTS:
        raise damaged(folder, f"{len(identity_files) + len(names)} components are more than any model has")
    identity = np.stack([_offsets(path, mean) for path in identity_files])
    expression = [_offsets(folder / f"{name}.obj", mean) for name in names]
    return _raw(
        mean, identity, np.stack(expression) if expression else np.zeros((0, *mean.shape), np.float32), triangles, names,
        indices["idx_to_landmark_verts"], folder,
    )  # fmt: skip


def read_arrays(path: Path) -> RawModel:
    """The same model as arrays: neutral, triangles, identity, expression, expression_names, landmarks68."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
            if sum(sizes.values()) > LARGEST_FILE:
                raise damaged(path, f"it unpacks to {sum(sizes.values()) >> 20} MiB")
            if missing := sorted(ARRAYS - sizes.keys()):
                raise UserError(f"{path} is an archive without {missing[0]!r}; ICT-FaceKit's arrays are {', '.join(sorted(ARRAYS))}")
            array = {name: _array(archive, name) for name in ARRAYS}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError, MemoryError) as error:
        raise damaged(path, str(error)) from error
    names = [str(name) for name in array["expression_names"].reshape(-1)]
    if array["neutral"].ndim != 2 or array["neutral"].shape[1] != 3 or array["identity"].ndim != 3 or array["expression"].ndim != 3:
        raise damaged(path, "neutral, identity or expression has not the shape (vertices, 3), (components, vertices, 3)")
    if len(names) != array["expression"].shape[0]:
        raise damaged(path, f"{array['expression'].shape[0]} expressions have {len(names)} names")
    return _raw(
        array["neutral"].astype(np.float32), array["identity"].astype(np.float32), array["expression"].astype(np.float32),
        array["triangles"].astype(np.int64), names, array["landmarks68"], path,
    )  # fmt: skip


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _raw(
    mean: np.ndarray, identity: np.ndarray, expression: np.ndarray, triangles: np.ndarray, names: list[str], landmarks: object, path: Path
) -> RawModel:
    marks = np.asarray(landmarks)
    if marks.shape != (68,) or marks.dtype.kind not in "iu":
        raise damaged(path, "the landmarks are not 68 vertex numbers")
    parts = {}
    if len(mean) == LIGHT_VERTICES:
        for name, spans in LIGHT_PARTS.items():
            parts[name] = np.zeros(len(mean), bool)
            for first, end in spans:
                parts[name][first:end] = True
    return RawModel(
        source="ICT-FaceKit",
        unit=1.0,
        mean=mean,
        identity=identity,
        expression=expression,
        triangles=triangles,
        named=True,
        expression_names=tuple(names),
        landmarks={number: int(vertex) for number, vertex in enumerate(marks)},
        parts=parts,
    )


def _read_indices(path: Path) -> dict[str, list]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise damaged(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON: {error}") from error
    if not isinstance(table, dict) or not all(isinstance(table.get(key), list) for key in ("expressions", "idx_to_landmark_verts")):
        raise damaged(path, "it lacks 'expressions' or 'idx_to_landmark_verts'")
    if not all(isinstance(name, str) and re.fullmatch(r"\w+", name) for name in table["expressions"]):
        raise damaged(path, "an expression's name is no plain word")
    return table


def _offsets(path: Path, mean: np.ndarray) -> np.ndarray:
    moved, _ = _read_obj(path)
    if moved.shape != mean.shape:
        raise damaged(path, f"it has {len(moved)} vertices where the neutral head has {len(mean)}")
    return moved - mean


def _read_obj(path: Path, with_faces: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Vertices, and triangles (polygons cut into fans) where asked for."""
    if path.stat().st_size > LARGEST_FILE // 16:
        raise damaged(path, "it is larger than any face mesh")
    points: list[list[str]] = []
    triangles: list[tuple[int, int, int]] = []
    try:
        with path.open(encoding="latin1") as file:
            for line in file:
                if line.startswith("v "):
                    points.append(line.split()[1:4])
                elif with_faces and line.startswith("f "):
                    corner = [int(word.split("/")[0]) - 1 for word in line.split()[1:]]
                    triangles += [(corner[0], corner[k], corner[k + 1]) for k in range(1, len(corner) - 1)]
        vertices = np.array(points, dtype=np.float32)
    except ValueError as error:
        raise damaged(path, f"a line is no vertex or face: {error}") from error
    if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) > MOST_VERTICES:
        raise damaged(path, f"it has no mesh of vertices x y z (shape {vertices.shape})")
    return vertices, np.array(triangles, dtype=np.int64).reshape(-1, 3)
