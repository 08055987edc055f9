"""A tiny stack end to end on the real models: every command, an edit by name, the evaluation."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.worlds import MODEL_FILE
from tests.cddfm.morphable.conftest import SHARED

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SHARED.is_dir(), reason="the models are not here")]

MODELS = {"ict": "ict_facekit/ict_facekit_light.npz", "surrey": "surrey_face_model/sfm_shape_3448.bin"}
COMMANDS = [["train-landmarks"], ["train-generator"], ["train-reconstruction", "--role", "judge"], ["train-base"],
            ["select-layers"], ["train-editor"], ["adapt-domain", "toon"]]  # fmt: skip


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", MODELS)
def test_training_takes_the_model(name, tmp_path):
    common = ["--preset", "tiny", "--stack", tmp_path / "stack", "--work", tmp_path / "work"]
    run("train-reconstruction", *common, "--morphable", SHARED / MODELS[name])
    assert (tmp_path / "stack" / MODEL_FILE).is_file()
    for command in COMMANDS:
        run(*command, *common)
    run("evaluate", "--stack", tmp_path / "stack", "--faces", 4, "--distance-images", 8, "-o", tmp_path)
    run(
        "edit", "--seed", 3, "--expression", "smile=0.5,jawOpen=1", "--pose", "yaw=10", "--domain", "toon", "--stack", tmp_path / "stack",
        "-o", tmp_path / "out.png",
    )  # fmt: skip
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (16, 16)
