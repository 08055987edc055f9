"""FLAME (Li et al., "Learning a model of facial shape and expression from 4D scans", SIGGRAPH Asia 2017): pickles of 2019, 2020 and 2023.

A dictionary with v_template (V, 3), shapedirs (V, 3, 400: 300 shape, 100 expression), posedirs (V, 3, 36), J_regressor (5, V), weights
(V, 5), kintree_table and f; metres. The joints are root, neck, jaw, left eye, right eye.

Our interface is linear, so the jaw joins the expressions as two components beside the 100: its linear blend skinning with pose correctives,
taken at a full opening and at a full shift to the left. Such a component is exact at strengths 0 and 1; between them a point moves on the
chord instead of the arc, which differs by under 1 mm per centimetre of travel. Neck and eyes stay at rest: the head turns as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cddfm.errors import UserError
from cddfm.morphable.pickles import numbers, read_pickle
from cddfm.morphable.raw import LARGEST_FILE, RawModel, damaged, faces
from stylespace.closed_pickle import Refused

METRE = 100.0
SHAPES = 300
JOINTS = ("root", "neck", "jaw", "eye_L", "eye_R")
JAW, EYE_L, EYE_R = 2, 3, 4
OPEN, ASIDE = 0.40, 0.09
"""Radians of a full jaw drop about x, which carries the lower lip some 3.5 cm down, and of a shift to the left about y (some 0.9 cm)."""

NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


def read_flame(path: Path) -> RawModel:
    """Reads without chumpy; nothing in the file is executed."""
    if path.stat().st_size > LARGEST_FILE:
        raise damaged(path, "it is larger than any face model")
    try:
        with path.open("rb") as file:
            held = read_pickle(file)
        array = _arrays(path, held)
    except Refused as error:
        raise UserError(f"{path} is refused: it {error}; nothing of it was executed. Get the file from FLAME's own site") from error
    mean = array["v_template"].astype(np.float32)
    count = len(mean)
    directions = array["shapedirs"].astype(np.float32)
    if mean.shape != (count, 3) or directions.shape[:2] != (count, 3) or directions.ndim != 3 or directions.shape[2] < 2:
        raise damaged(path, f"v_template {mean.shape} and shapedirs {directions.shape} do not fit")
    shapes = SHAPES if directions.shape[2] > SHAPES else directions.shape[2]
    basis = np.ascontiguousarray(directions.transpose(2, 0, 1))
    skinning = _Skinning(path, array, mean)
    jaw = np.stack([skinning.displacement(JAW, (OPEN, 0.0, 0.0)), skinning.displacement(JAW, (0.0, ASIDE, 0.0))]).astype(np.float32)
    expression = np.concatenate([basis[shapes:], jaw])
    eyes = {"eyeball_L": skinning.weights[:, EYE_L] > 0.5, "eyeball_R": skinning.weights[:, EYE_R] > 0.5}
    return RawModel(
        source="FLAME",
        unit=METRE,
        mean=mean,
        identity=basis[:shapes],
        expression=expression,
        triangles=faces(path, "f", array["f"], count),
        expression_names=(*(f"expression{k + 1:02d}" for k in range(len(expression) - 2)), "jawOpen", "jawLeft"),
        parts={name: mask for name, mask in eyes.items() if mask.any()},
        joints=dict(zip(JOINTS, skinning.joints, strict=True)),
    )


def _arrays(path: Path, held: Any) -> dict[str, np.ndarray]:
    if not isinstance(held, Mapping):
        raise damaged(path, f"it holds a {type(held).__name__} where FLAME has a dictionary")
    if missing := [name for name in NEEDED if name not in held]:
        shown = ", ".join(map(str, list(held)[:8])) or "nothing"
        raise UserError(f"{path} is a pickle with {shown} and without {missing[0]!r}; FLAME's generic_model.pkl is needed")
    return {name: numbers(held[name]) for name in NEEDED}


class _Skinning:
    """Linear blend skinning of the mean head (SMPL; Loper et al. 2015): one joint turned, the others at rest."""

    def __init__(self, path: Path, array: Mapping[str, np.ndarray], mean: np.ndarray):
        count, joints = len(mean), len(JOINTS)
        wanted = {"J_regressor": (joints, count), "weights": (count, joints), "posedirs": (count, 3, 9 * (joints - 1))}
        for name, shape in wanted.items():
            if array[name].shape != shape:
                raise damaged(path, f"{name} has shape {array[name].shape} where {shape} belongs")
        if array["kintree_table"].shape != (2, joints):
            raise damaged(path, f"kintree_table has shape {array['kintree_table'].shape} where {(2, joints)} belongs")
        self.mean, self.weights, self.posedirs = mean, array["weights"], array["posedirs"]
        self.joints = array["J_regressor"] @ mean

    def displacement(self, joint: int, turn: tuple[float, float, float]) -> np.ndarray:
        """Where the turn (axis times radians) carries each vertex, less where it was: [V, 3] metres. Only joints without children."""
        matrix = rotation(np.asarray(turn))
        correctives = np.zeros(self.posedirs.shape[2])
        correctives[9 * (joint - 1) : 9 * joint] = (matrix - np.eye(3)).reshape(-1)
        corrected = self.mean + self.posedirs @ correctives
        turned = (corrected - self.joints[joint]) @ matrix.T + self.joints[joint]
        weight = self.weights[:, joint : joint + 1]
        return corrected + weight * (turned - corrected) - self.mean


def rotation(turn: np.ndarray) -> np.ndarray:
    """Rodrigues' formula."""
    angle = float(np.linalg.norm(turn))
    x, y, z = turn / max(angle, 1e-12)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
