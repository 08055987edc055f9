"""`cddfm morphable info` and `convert`, and named expressions of models that have none."""

import json

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.controls import Controls
from cddfm.errors import UserError
from cddfm.morphable import load, save_model
from cddfm.params import FaceParams
from tests.cddfm.morphable.conftest import *  # noqa: F403  (the models, read once)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def saved(deep3d, tmp_path):
    save_model(tmp_path / "model.safetensors", deep3d)
    return tmp_path / "model.safetensors"


def test_info_prints_and_draws(saved, deep3d, tmp_path):
    table = run("morphable", "info", saved, "-o", tmp_path / "sheet.png")
    assert "Deep3DFaceRecon" in table and str(len(deep3d.mean)) in table
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 1000 and len(picture.getcolors(1 << 20) or range(1000)) > 500
    facts = json.loads(run("morphable", "info", saved, "--json", "--no-sheet"))
    assert facts["vertices"] == len(deep3d.mean) and len(facts["landmarks"]) == 68 and "jawOpen" in facts["expressions_solved_for"]


def test_convert_keeps_the_components_that_are_asked_for(saved, tmp_path):
    run("morphable", "convert", saved, "-o", tmp_path / "small.safetensors", "--identity", 2, "--half")
    small = load(tmp_path / "small.safetensors")
    assert len(small.identity_names) == 2 and small.identity_basis.dtype == torch.float32
    result = CliRunner().invoke(app, ["morphable", "convert", str(saved), "-o", str(tmp_path / "small.obj")])
    assert isinstance(result.exception, UserError) and "ending .safetensors" in str(result.exception)


def test_directions_are_controls_like_any_other(deep3d):
    controls = Controls(deep3d)
    params = FaceParams.neutral(deep3d.layout, 1)
    for text in ("jawOpen=0.5", "smile=1", "mouthSmile_L=1"):
        assert controls.parse(text, "expression").deltas(params)["expression"].abs().max() > 0
    both = controls.parse("mouthSmile=1", "expression").deltas(params)["expression"]
    sides = controls.parse("mouthSmile_L=1,mouthSmile_R=1", "expression").deltas(params)["expression"]
    assert torch.allclose(both, sides)
    bare = controls.find("expression01", "expression")
    assert bare.unit == "σ" and bare.high == 4.0
