"""Landmark files of every kind, and what a fit writes, read back."""

import json

import pytest
import torch

from cddfm.align import Box
from cddfm.errors import UserError
from cddfm.fit import Fit
from cddfm.fitting import files
from cddfm.fitting.frame import nearly_whole, square_about, whole_picture
from cddfm.params import FaceParams
from cddfm.render import project_landmarks, render
from tests.cddfm.standins import random_params, small_model

POINTS = torch.rand(68, 2, generator=torch.Generator().manual_seed(0)).mul(100).round(decimals=2)


def lines(separator: str) -> str:
    return "\n".join(f"{x:.2f}{separator}{y:.2f}" for x, y in POINTS.tolist())


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        (lines(","), 0),
        ("x;y\n" + lines(" ; "), 0),
        (lines("\t"), 0),
        (json.dumps(POINTS.tolist()), 0),
        (json.dumps({"landmarks": POINTS.tolist()}), 0),
        ("version: 1\nn_points: 68\n{\n" + lines(" ") + "\n}\n", 1),
    ],
)
def test_landmarks_are_read(tmp_path, text, shift):
    path = tmp_path / "points"
    path.write_text(text)
    torch.testing.assert_close(files.read_landmarks(path), POINTS - shift, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n", "holds 2 points"),
        ("", "holds 0 points"),
        ("[[1, 2], [3", "no list of x, y pairs"),
        ('{"points": []}', "no list of x, y pairs"),
        ("\n".join(["5,5"] * 68), "too few points apart"),
        ("\n".join(["nan nan"] * 63 + ["1 2", "3 4", "5 7", "7 8", "9 1"]), "too few points apart"),
    ],
)
def test_what_is_no_landmark_file_is_refused(tmp_path, text, message):
    path = tmp_path / "points.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        files.read_landmarks(path)


def test_absent_landmarks_and_files(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        files.read_landmarks(tmp_path / "none.txt")
    path = tmp_path / "points.txt"
    path.write_text("nan,nan\n" + "\n".join(lines(",").splitlines()[1:]))
    assert files.read_landmarks(path).isnan().any(dim=1).tolist() == [True] + [False] * 67


@pytest.fixture(scope="module")
def found():
    model = small_model(20, 20)
    return model, Fit(random_params(model, 1), 0.01, 0.02)


def test_the_document_says_it_all(found):
    model, fit = found
    drawn = render(model, fit.params, 32)
    value = json.loads(json.dumps(files.document(model, fit, drawn, Box(50.0, 40.0, 20.0), 32)))
    torch.testing.assert_close(files.read_params(model, value).flatten(), fit.params.flatten(), atol=2e-4, rtol=1e-4)
    ndc = torch.tensor([value["landmarks"]]) - torch.tensor([49.5, 39.5])
    torch.testing.assert_close(ndc[0] / 20 * torch.tensor([1.0, -1.0]), drawn.landmarks[0], atol=1e-4, rtol=0)
    assert value["landmark_error_px"] == pytest.approx(0.2) and len(value["visible"]) == 68
    with pytest.raises(UserError, match="do not belong to the model"):
        files.read_params(model, value | {"identity": {}})


def test_the_head_has_coloured_vertices(found):
    model, fit = found
    text = files.wavefront(model, FaceParams.neutral(model.layout, 1)).splitlines()
    vertices = [line.split() for line in text if line.startswith("v ")]
    assert len(vertices) == len(model.mean) and all(len(vertex) == 7 for vertex in vertices)
    assert [float(x) for x in vertices[5][1:4]] == pytest.approx(model.mean[5].tolist(), abs=1e-3)
    assert float(vertices[5][4]) == pytest.approx(0.7354, abs=1e-3)  # sRGB of 0.5
    faces = [[int(index) - 1 for index in line.split()[1:]] for line in text if line.startswith("f ")]
    assert faces == model.triangles.tolist()


def test_the_overlay_shows_four_views(found):
    model, fit = found
    drawn = render(model, fit.params, 32, supersample=2)
    assert files.overlay(torch.zeros(1, 3, 32, 32), drawn, fit).width > 4 * files.CELL


def test_the_square_about_a_face_is_the_cameras(found):
    model, fit = found
    params = FaceParams.neutral(model.layout, 1).replace(pose=fit.params.pose)
    box = Box(300.0, 200.0, 120.0)
    points = project_landmarks(model, params)[0] * torch.tensor([1.0, -1.0]) * box.half + torch.tensor([box.x, box.y]) - 0.5
    near = square_about(model, points)
    assert (near.x, near.y, near.half) == pytest.approx((box.x, box.y, box.half), rel=0.03)
    torch.testing.assert_close(files.in_square(points, box), project_landmarks(model, params)[0], atol=1e-4, rtol=0)


def test_only_square_pictures_may_be_taken_whole():
    assert nearly_whole(Box(66.0, 62.0, 60.0), 128, 128)
    assert not nearly_whole(Box(66.0, 62.0, 60.0), 128, 130)
    assert not nearly_whole(Box(90.0, 62.0, 60.0), 128, 128) and not nearly_whole(Box(64.0, 64.0, 40.0), 128, 128)
    assert whole_picture(128, 128) == Box(64.0, 64.0, 64.0)
