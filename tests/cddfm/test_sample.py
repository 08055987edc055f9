"""Conditional generation: parameters take values, whatever they were; the rest stays; mistakes are one sentence."""

import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.controls import Changes, Controls
from cddfm.edit import generated_styles
from cddfm.errors import UserError
from cddfm.lighting import NamedLight, dominant
from cddfm.methods import method_network
from cddfm.params import SH_CONSTANT
from cddfm.sample import check_absolute, sample_styles, with_values
from cddfm.stack import Stack
from tests.cddfm.standins import random_params


def values(model, **groups: str) -> Changes:
    controls = Controls(model)
    return sum((controls.parse(text, group) for group, text in groups.items()), Changes())


def test_named_parameters_take_their_values_and_the_rest_stays(egg):
    before = random_params(egg, 5)
    after = with_values(before, values(egg, pose="yaw=20,roll=0", expression="blink=0.5,jawOpen=0", shape="b=2", albedo="tone=-1"))
    assert torch.allclose(after.pose[:, 1], torch.full((5,), math.radians(20)))
    assert torch.equal(after.pose[:, 2], torch.zeros(5))
    assert torch.equal(after.pose[:, 0], before.pose[:, 0])
    assert torch.equal(after.expression[:, [0, 2, 3]], torch.tensor([0.0, 0.5, 0.5]).expand(5, -1))
    assert torch.equal(after.expression[:, 1], before.expression[:, 1])
    assert torch.equal(after.identity[:, 1], torch.full((5,), 2.0))
    assert torch.equal(after.albedo[:, 0], torch.full((5,), -1.0))
    assert torch.equal(after.light, before.light)


def test_light_comes_from_where_it_is_told(egg):
    number = torch.rand(5, generator=torch.Generator().manual_seed(1))
    light = NamedLight(number * 2 - 1, number - 0.4, number + 0.5, number * 0 + 0.3, torch.ones(5, 3)).bands()
    before = random_params(egg, 5).replace(light=light)
    azimuth, elevation = dominant(with_values(before, values(egg, light="azimuth=-60,elevation=25")).light)
    assert torch.allclose(azimuth.rad2deg(), torch.full((5,), -60.0), atol=1e-2)
    assert torch.allclose(elevation.rad2deg(), torch.full((5,), 25.0), atol=1e-2)
    only = with_values(before, values(egg, light="azimuth=10")).light
    assert torch.allclose(dominant(only)[1], dominant(light)[1], atol=1e-3)
    shading = with_values(before, values(egg, light="intensity=0.8")).light[:, :3].mean(dim=1) * SH_CONSTANT
    assert torch.allclose(shading, torch.full((5,), 0.8), atol=1e-4)


def test_a_control_that_combines_components_sets_the_share_along_it(egg):
    directions = torch.tensor([[0.0, 0.6, 0.8, 0.0]])
    model = replace(egg, direction_names=("grin",), directions=directions)
    before = random_params(model, 4)
    after = with_values(before, values(model, expression="grin=0.5"))
    assert torch.allclose(after.expression @ directions[0], torch.full((4,), 0.5), atol=1e-5)
    across = torch.tensor([1.0, 0.8, -0.6, 1.0])
    assert torch.allclose(after.expression @ across, before.expression @ across, atol=1e-5)


def test_changes_without_a_value_of_their_own_are_refused(egg):
    with pytest.raises(UserError, match="light 'warmth' changes a light but has no value of its own; sample takes azimuth"):
        check_absolute(values(egg, light="warmth=0.5"))


@pytest.mark.parametrize("method", ["cddfm", "stylerig", "linear"])
def test_styles_are_edited_by_what_is_lacking(tiny_stack, method):
    stack = Stack(tiny_stack)
    network = method_network(stack, method)
    wanted = Controls(stack.model).parse("yaw=20", "pose")
    s = generated_styles(stack, [4, 5])
    delta = torch.zeros(2, 3)
    delta[:, 1] = math.radians(20) - network.predict(s).pose[:, 1]
    assert torch.allclose(sample_styles(stack, network, [4, 5], wanted), network.edit(s, {"pose": delta}), atol=1e-5)
    assert torch.equal(sample_styles(stack, network, [4, 5], Changes()), s)


def run(*arguments: object):
    return CliRunner().invoke(app, ["sample", *(str(argument) for argument in arguments)])


def test_the_command_draws_a_sheet(tiny_stack, tmp_path):
    out = tmp_path / "sheet.png"
    arguments = ("--pose", "yaw=20", "--expression", "smile=0.5", "--domain", "toon", "--seed", 7, "--method", "linear")
    result = run("-n", 3, *arguments, "--stack", tiny_stack, "--device", "cpu", "-o", out)
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.width > 3 * 192


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pose", "yow=20"), "did you mean 'yaw'"),
        (("--light", "ambient=1"), "has no value of its own"),
        (("--domain", "tone"), "did you mean 'toon'"),
        (("--method", "stylerag"), "did you mean 'stylerig'"),
        (("--expression", "jawOpen=9"), "out of range"),
    ],
)
def test_mistakes_are_one_sentence(tiny_stack, tmp_path, arguments, said):
    result = run(*arguments, "--stack", tiny_stack, "-o", tmp_path / "made" / "out.png")
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "made").exists()
