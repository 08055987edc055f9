"""`train-recognition` makes both networks of a stack, of different make and people, and says how well they do."""

import pytest
import torch
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.recipes.recognition import RecipeOptions, held_out_of, pool_of, verify
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.worlds import ProceduralWorld
from stylespace.weights import read_notes

ROLES = ("recogniser", "identity_judge")


def train(folder, role: str) -> str:
    arguments = ["train-recognition", "--role", role, "--preset", "tiny", "--stack", folder / "stack", "--work", folder / "work"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    for role in ROLES:
        train(folder, role)
    return folder


def tiny(role: str) -> RecipeOptions:
    return RecipeOptions(**RecipeOptions.presets["tiny"], role=role)


def test_both_networks_are_written_with_their_figures(made):
    stack = Stack(made / "stack")
    networks = [stack.recogniser, stack.identity_judge]
    assert [network.arguments["architecture"] for network in networks] == ["residual", "plain"]
    for role, network in zip(ROLES, networks, strict=True):
        notes = read_notes(made / "stack" / f"{role}.safetensors")
        assert notes["options"]["role"] == role
        assert notes["images"] == 32
        strangers = held_out_of(tiny(role), Folders(made / "stack", made / "work"), "cpu", ProceduralWorld())
        found = verify(network, strangers)
        assert notes["held_out"]["same"] == pytest.approx(found.same, abs=0.01)  # stored as float16
        assert 0 <= notes["held_out"]["auc"] <= 1


def test_the_judge_knows_other_people_and_nobody_knows_the_held_out(made):
    folders, world = Folders(made / "stack", made / "work"), ProceduralWorld()
    pools = [pool_of(tiny(role), folders, "cpu", world) for role in ROLES]
    pools.append(held_out_of(tiny("recogniser"), folders, "cpu", world))
    known = [set(pool.numbers.tolist()) for pool in pools]
    assert [len(numbers) for numbers in known] == [6, 6, 3]
    assert len(set.union(*known)) == 15
    assert len(pools[0]) == 6 * 4 + 2 * 4  # the first two as toons, too
    assert torch.equal(pools[0].pool.params[:8], pools[0].pool.params[24:])


def test_a_finished_training_run_again_changes_nothing(made):
    before = Stack(made / "stack").recogniser.state_dict()
    train(made, "recogniser")
    after = Stack(made / "stack").recogniser.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_unknown_role_is_refused():
    result = CliRunner().invoke(app, ["train-recognition", "--role", "identity-judge"])
    assert isinstance(result.exception, UserError)
    assert "'identity_judge'" in str(result.exception)
