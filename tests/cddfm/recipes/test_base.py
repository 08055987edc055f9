"""`train-base` in both spaces and with its ablations: each a file of its own, one DFR for all."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.methods import method_network
from cddfm.params import ATTRIBUTES
from cddfm.recipes.base import RecipeOptions, variant
from cddfm.stack import Stack
from stylespace.weights import read_notes


def train(folder, *changes: str):
    sets = [part for change in changes for part in ("--set", change)]
    arguments = ["train-base", "--preset", "tiny", "--stack", folder / "stack", "--work", folder / "work", "--device", "cpu", *sets]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tiny_stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(tiny_stack, folder / "stack")
    for changes in ((), ("space=w_plus",), ("ablation=no-edit",), ("space=w_plus", "ablation=steering")):
        result = train(folder, *changes)
        assert result.exit_code == 0, result.output
    return folder


def test_names_say_what_is_different():
    ablations = ("none", "no-consistency", "steering")
    names = {variant(RecipeOptions(space=space, ablation=ablation)) for space in ("s", "w_plus") for ablation in ablations}
    assert names == {f"{name}{ablation}" for name in ("base", "stylerig") for ablation in ("", "-no-consistency", "-steering")}


def test_variants_are_methods_that_share_the_dfr(made):
    stack = Stack(made / "stack")
    base = method_network(stack, "base")
    s = torch.randn(2, stack.generator.style_layout.style_dim)
    zero = {attribute: torch.zeros(2, base.layout.sizes[attribute]) for attribute in ATTRIBUTES}
    change = {attribute: delta + 0.2 for attribute, delta in zero.items()}
    edited = [base.edit(s, change)]
    for name in ("stylerig", "base-no-edit", "stylerig-steering"):
        network = method_network(stack, name)
        assert torch.equal(network.predict(s).flatten(), base.predict(s).flatten())
        assert torch.equal(network.edit(s, zero), s)
        edited.append(network.edit(s, change))
    assert all(not torch.allclose(one, two) for index, one in enumerate(edited) for two in edited[:index])
    assert len(base.layers) == 2 * 3 + 2
    assert len(method_network(stack, "stylerig").layers) == stack.generator.num_ws
    assert read_notes(made / "stack/base-no-edit.safetensors")["options"]["ablation"] == "no-edit"


def test_the_same_command_again_changes_nothing(made):
    path = made / "stack/stylerig.safetensors"
    before = load_file(path)
    assert train(made, "space=w_plus").exit_code == 0
    after = load_file(path)
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())


def test_unknown_ablations_are_refused(made):
    result = train(made, "ablation=no-nothing")
    assert isinstance(result.exception, UserError)
    assert "option ablation='no-nothing' does not fit" in str(result.exception)
