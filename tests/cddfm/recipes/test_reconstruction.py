"""`train-reconstruction` from nothing, and from what a stack knows already."""

import shutil

import pytest
import torch
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.stack import Stack


def train(folder, *changes: str):
    sets = [part for change in changes for part in ("--set", change)]
    folders = ["--stack", folder / "stack", "--work", folder / "work"]
    arguments = ["train-reconstruction", "--preset", "tiny", *folders, "--device", "cpu", *sets]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def earlier(tiny_stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    shutil.copy(tiny_stack / "estimator.safetensors", folder)
    return folder


def test_a_training_goes_on_from_what_a_stack_knows(earlier, tmp_path):
    result = train(tmp_path, f"start={earlier}", "learning_rate=1e-9")
    assert result.exit_code == 0, result.output
    known, found = Stack(earlier).estimator, Stack(tmp_path / "stack").estimator
    for name, tensor in known.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)  # stored as float16


def test_a_second_look_may_go_on_with_larger_pictures(earlier, tmp_path):
    result = train(tmp_path, f"start={earlier}", "drawn=32", "total_images=0", "close_images=16")
    assert result.exit_code == 0, result.output
    found = Stack(tmp_path / "stack").estimator
    assert (Stack(earlier).estimator.detail, found.detail, found.resolution) == (16, 32, 16)


def test_another_shape_is_refused_by_name(earlier, tmp_path):
    result = train(tmp_path, f"start={earlier}", "width=16")
    assert isinstance(result.exception, UserError)
    assert "another width" in str(result.exception)
