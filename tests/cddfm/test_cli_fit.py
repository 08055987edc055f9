"""`cddfm fit`, from a picture to three files, and what it says when it cannot."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from cddfm.camera import to_pixels
from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.fitting import files
from cddfm.images import write_image
from cddfm.morphable import save_model
from cddfm.params import FaceParams
from cddfm.render import render
from cddfm.worlds import ProceduralWorld
from tests.cddfm.standins import small_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A portrait of the built-in head and its landmarks."""
    model, place = ProceduralWorld().model, tmp_path_factory.mktemp("fit")
    params = FaceParams.neutral(model.layout, 1)
    drawn = render(model, params.replace(pose=params.pose + 0.1), 64, supersample=2)
    write_image(place / "face.png", drawn.image)
    (place / "face.txt").write_text("\n".join(f"{x:.4f},{y:.4f}" for x, y in to_pixels(drawn.landmarks, 64)[0].tolist()))
    return place


def run(*arguments: object):
    return CliRunner().invoke(app, ["fit", *(str(argument) for argument in arguments)])


def test_a_picture_becomes_parameters_a_head_and_an_overlay(folder, tiny_stack, tmp_path):
    result = run(folder / "face.png", "--landmarks", folder / "face.txt", "--stack", tiny_stack, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value == json.loads((tmp_path / "out/parameters.json").read_text())
    assert value["pose_deg"]["yaw"] == pytest.approx(5.73, abs=0.5) and value["box"]["side"] == 64
    assert files.read_params(ProceduralWorld().model, value).pose.shape == (1, 3)
    assert (tmp_path / "out/head.obj").read_text().count("\nv ") == len(ProceduralWorld().model.mean)
    with Image.open(tmp_path / "out/overlay.png") as picture:
        assert picture.width > 1000
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["head.obj", "overlay.png", "parameters.json"]


def test_another_model_without_landmarks(folder, tiny_stack, tmp_path):
    save_model(tmp_path / "egg.safetensors", small_model(20, 20))
    arguments = ("--morphable", tmp_path / "egg.safetensors", "--stack", tiny_stack, "--crop", "whole", "--resolution", 48)
    result = run(folder / "face.png", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    value = json.loads((tmp_path / "out/parameters.json").read_text())
    assert set(value["identity"]) == {"a", "b", "c"} and value["landmark_error_px"] is None and value["box"]["resolution"] == 48


def test_errors_are_sentences_and_nothing_is_written(folder, tiny_stack, tmp_path):
    Image.new("RGB", (80, 64)).save(tmp_path / "mask.png")
    (tmp_path / "far.txt").write_text("\n".join(f"{900 + k},{900 + k * k}" for k in range(68)))
    (tmp_path / "file").write_text("")
    picture, marks = folder / "face.png", ("--landmarks", folder / "face.txt")
    for arguments, message in (
        ((picture, *marks, "--crop", "half"), "--crop half is not known"),
        ((picture, *marks, "--mask", tmp_path / "mask.png"), "80×64 pixels and the picture 64×64"),
        ((picture, "--landmarks", tmp_path / "far.txt"), "lie outside"),
        ((picture, "--landmarks", tmp_path / "mask.png"), "cannot be read"),
        ((tmp_path / "none.png", *marks), "there is no file"),
        ((picture, *marks, "-o", tmp_path / "file"), "is a file; name a folder"),
    ):
        out = () if "-o" in arguments else ("-o", tmp_path / "out")
        result = run(*arguments, *out, "--stack", tiny_stack)
        assert isinstance(result.exception, UserError) and message in str(result.exception), (arguments, result.exception)
        assert "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_nothing(folder, tiny_stack, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cddfm.fit.fit_pixels", interrupted)
    result = run(folder / "face.png", "--landmarks", folder / "face.txt", "--stack", tiny_stack, "-o", tmp_path / "out")
    assert result.exit_code == 130 and not (tmp_path / "out").exists()
