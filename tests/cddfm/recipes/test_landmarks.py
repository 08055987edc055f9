"""`train-landmarks` makes the network that tells where a face's landmarks lie, and says how well it does."""

import pytest
import torch
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.data import HELD_OUT_SEED, draw_pool
from cddfm.errors import UserError
from cddfm.recipes.landmarks import distance
from cddfm.stack import Stack
from cddfm.stages.landmarks import landmarks_of
from cddfm.worlds import ProceduralWorld
from stylespace.weights import read_notes


def train(folder, *more: str) -> str:
    arguments = ["train-landmarks", "--preset", "tiny", "--stack", folder / "stack", "--work", folder / "work", "--device", "cpu", *more]
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    assert "portraits it never saw" in train(folder)
    return folder


def test_the_network_is_written_with_its_figure(made):
    network, notes = Stack(made / "stack").landmarker, read_notes(made / "stack" / "landmarker.safetensors")
    assert network.arguments == {"resolution": 16, "widths": [8, 8], "top": 8}
    assert notes["images"] == 32
    world = ProceduralWorld()
    strangers = draw_pool("portrait", 4, 16, "cpu", seed=HELD_OUT_SEED, world=world)
    found = distance(network, strangers, landmarks_of(world.model, strangers))
    assert notes["held_out"] == pytest.approx(found, abs=0.01)  # stored as float16


def test_run_again_it_changes_nothing(made):
    before = Stack(made / "stack").landmarker.state_dict()
    train(made)
    after = Stack(made / "stack").landmarker.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("option", "message"),
    [("widths=8", "widths"), ("widths=8,12", "multiple of 8"), ("top=12", "top"), ("resolution=18", "18 px cannot be halved 2 times")],
)
def test_shapes_that_no_network_has_are_refused_before_anything_is_drawn(tmp_path, option, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path, "--set", option)
    assert not list(tmp_path.iterdir())
