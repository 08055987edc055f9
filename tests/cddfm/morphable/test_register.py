"""The built-in head over real ones: where our landmarks and expressions come to lie, against the published ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cddfm.head import build_head
from cddfm.morphable import ict, register, surrey
from cddfm.morphable.expressions import solve_directions
from tests.cddfm.morphable.conftest import SHARED, THOROUGH

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SHARED.is_dir(), reason="the models are not here")]


@pytest.fixture(autouse=True)
def thorough(monkeypatch):
    """As many rounds as users get, whatever other tests set."""
    monkeypatch.setattr(register, "WHOLE_ROUNDS", THOROUGH[0])
    monkeypatch.setattr(register, "STEPS", THOROUGH[1])


def surface_of(raw) -> np.ndarray:
    return ~np.any([np.zeros(len(raw.mean), bool), *raw.parts.values()], axis=0)


def laid_over(raw) -> register.Match:
    return register.register(raw.mean * raw.unit, raw.triangles, surface_of(raw), {}, build_head())


def errors(raw, match) -> np.ndarray:
    points = raw.mean * raw.unit
    return np.array([np.linalg.norm(match.places[number] - points[vertex]) for number, vertex in raw.landmarks.items()])


def test_landmarks_and_expressions_on_ict():
    raw = ict.read_arrays(SHARED / "ict_facekit" / "ict_facekit_light.npz")
    match = laid_over(raw)
    assert errors(raw, match).mean() < 0.27 and errors(raw, match).max() < 0.6

    _, deviations, modes = np.linalg.svd(raw.expression.reshape(53, -1), full_matrices=False)
    basis = (modes * deviations[:, None] / np.sqrt(53)).reshape(raw.expression.shape)
    marks = np.array([raw.landmarks[number] for number in range(68)])
    solved = solve_directions(build_head(), match, basis, False, (), marks, surface_of(raw))
    alike = {}
    for name, coefficients in zip(solved.names, solved.table, strict=True):
        if name in raw.expression_names:
            found = np.einsum("k,kvn->vn", coefficients, basis)[:9409]
            true = raw.expression[raw.expression_names.index(name)][:9409]
            alike[name] = float((found * true).sum() / np.linalg.norm(found) / np.linalg.norm(true))
    assert np.median(list(alike.values())) > 0.9
    assert min(alike[name] for name in ("jawOpen", "mouthSmile_L", "mouthSmile_R", "mouthPucker", "eyeBlink_L")) > 0.9


def test_landmarks_on_surrey():
    raw = surrey.read_surrey(SHARED / "surrey_face_model" / "sfm_shape_3448.bin")
    error = errors(raw, laid_over(raw))
    assert error.mean() < 0.35 and error.max() < 0.8


def test_landmark_list_is_the_published_one():
    table = {}
    for line in Path(SHARED / "surrey_face_model" / "ibug_to_sfm.txt").read_text().splitlines():
        left, _, right = line.partition("=")
        if right and left.strip().isdigit():
            table[int(left) - 1] = int(right.split("#")[0])
    assert table == surrey.IBUG_TO_3448


def test_a_moved_head_gives_the_same_places(monkeypatch):
    monkeypatch.setattr(register, "STEPS", ((4.0, 2.0),))
    raw = surrey.read_surrey(SHARED / "surrey_face_model" / "sfm_shape_3448.bin")
    one = laid_over(raw)
    two = laid_over(replace(raw, mean=raw.mean + np.float32([100.0, -50.0, 30.0])))
    assert np.abs(two.places - one.places - [10.0, -5.0, 3.0]).max() < 0.05
