"""The analyses: the numbers of a method whose answers are known, the plots, the command."""

import io
import json
import shutil

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cddfm.analysis import BINS, layer_changes, parameter_distributions
from cddfm.blocks import param_layout
from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.evaluation.same_scenes import SIGHTS
from cddfm.linear import LinearRig
from cddfm.params import ATTRIBUTES, GROUPS
from cddfm.plots import plot_distributions, plot_layers
from cddfm.stages.sampling import mixed_styles
from cddfm.world.codes import CODE_DIM
from domains.kinds import KINDS
from stylespace.generator import Generator
from stylespace.weights import save_network
from tests.cddfm.standins import SIZES


@pytest.fixture
def known(tiny_generator):
    """Writes twice the change of yaw into one number of the second layer, and reads yaw from the first number of s."""
    layout = param_layout(SIZES)
    rig = LinearRig(tiny_generator.style_layout.style_dim, SIZES)
    yaw = layout.slices["pose"].start + 1
    with torch.no_grad():
        rig.read[yaw, 0] = 0.1
        rig.write[tiny_generator.style_layout.layers[1].start, yaw] = 2.0
    return rig.eval()


@torch.no_grad()
def test_layer_changes_are_those_of_the_method(known, tiny_generator):
    changes = layer_changes(known, tiny_generator, 300)
    layers = tiny_generator.style_layout.layers
    assert [(change.attribute, change.layer) for change in changes] == [(name, layer.name) for name in ATTRIBUTES for layer in layers]
    touched = [change for change in changes if change.norm_mean > 0]
    assert [(change.attribute, change.layer) for change in touched] == [("pose", layers[1].name)]
    randomness = torch.Generator().manual_seed(0)
    s = torch.cat([mixed_styles(tiny_generator, count, randomness) for count in (256, 44)])
    yaw = 0.1 * s[:, 0]
    norms = 2 * (yaw.roll(1) - yaw).abs()
    assert touched[0].norm_mean == pytest.approx(float(norms.mean()), rel=1e-3)
    assert touched[0].norm_variance == pytest.approx(float(norms.var()), rel=1e-3)
    unit = float(s[:, layers[1].start].std()) * layers[1].width**0.5
    assert touched[0].change_mean == pytest.approx(float(norms.mean()) / unit, rel=1e-3)


@torch.no_grad()
def test_distributions_are_those_of_the_readings(known, tiny_generator, egg):
    found = {distribution.group: distribution for distribution in parameter_distributions(known, tiny_generator, egg, 700)}
    assert list(found) == list(GROUPS)
    pose = found["pose"]
    assert pose.names == ("pitch", "yaw", "roll")
    assert (pose.counts.sum(dim=1) == 700).all()
    assert len(pose.edges) == BINS + 1
    z = torch.randn(700, 8, generator=torch.Generator().manual_seed(0))
    yaw = tiny_generator.styles(tiny_generator.broadcast(tiny_generator.map(z)))[:, 0].mul(0.1).rad2deg()
    assert float(pose.mean[1]) == pytest.approx(float(yaw.mean()), abs=0.05 * float(yaw.std()) + 1e-3)
    middles = (pose.edges[1:] + pose.edges[:-1]) / 2
    assert float((middles * pose.counts[1]).sum() / 700) == pytest.approx(float(yaw.mean()), abs=0.2 * float(yaw.std()))
    assert float(pose.deviation[0]) == 0.0
    assert json.loads(json.dumps(pose.record()))["parameters"]["yaw"]["counts"] == pose.counts[1].tolist()


def test_plots_are_pictures_of_a_readable_size(known, tiny_generator, egg):
    drawn = (
        plot_layers(layer_changes(known, tiny_generator, 20), "Layers"),
        plot_distributions(parameter_distributions(known, tiny_generator, egg, 20), "Parameters"),
    )
    for data in drawn:
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 600
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 5


def run(*arguments: object):
    return CliRunner().invoke(app, ["analyse", *(str(argument) for argument in arguments)])


def test_the_command_writes_plots_and_numbers(tiny_stack, tmp_path):
    common = ("--stack", tiny_stack, "--device", "cpu", "-n", 6, "-o", tmp_path / "out")
    assert run("layers", *common, "--method", "linear").exit_code == 0
    assert run("parameters", *common).exit_code == 0
    names = ["layers-linear.json", "layers-linear.png", "parameters-stylerig.json", "parameters-stylerig.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    layers = json.loads((tmp_path / "out" / names[0]).read_text())
    assert (layers["method"], layers["number"]) == ("linear", 6)
    assert {change["attribute"] for change in layers["changes"]} == set(ATTRIBUTES)
    groups = json.loads((tmp_path / "out" / names[2]).read_text())["groups"]
    assert "jawOpen" in groups["expression"]["parameters"]


def test_domains_are_shown_with_their_distances(tiny_stack, tmp_path):
    stack = shutil.copytree(tiny_stack, tmp_path / "stack")
    for name in ("generator", "domains/toon"):
        save_network(
            stack / f"{name}.safetensors", Generator(16, z_dim=CODE_DIM, w_dim=16, mapping_layers=2, channel_base=128, channel_max=16)
        )
    result = run("domains", "--stack", stack, "--device", "cpu", "-n", 3, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "the same 3 scenes" in result.output
    facts = json.loads((tmp_path / "out" / "domains.json").read_text())
    assert facts["number"] == 3
    assert {(near["domain"], near["kind"], near["sight"]) for near in facts["domains"]} == {
        (domain, kind, sight) for domain in ("portrait", "toon") for kind in KINDS for sight in SIGHTS
    }
    assert all(near["distance"] > near["of_means"] > 0 for near in facts["domains"])
    with Image.open(tmp_path / "out" / "domains.png") as picture:
        assert picture.format == "PNG"
        assert picture.height > picture.width > 600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("domain",), "there is no analysis 'domain': did you mean 'domains'?"),
        (("domains",), "a z of 16 numbers, which cannot hold a scene's code"),
        (("layer",), "there is no analysis 'layer': did you mean 'layers'?"),
        (("layers", "--method", "stylerag"), "there is no method 'stylerag': did you mean 'stylerig'?"),
        (("layers", "--device", "abacus"), "abacus"),
        (("parameters", "--stack", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_one_sentence(tiny_stack, tmp_path, arguments, said):
    stack = () if "--stack" in arguments else ("--stack", tiny_stack)
    result = run(*arguments, *stack, "-o", tmp_path / "out")
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_is_refused_first(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("layers", "--stack", "not looked at", "-o", tmp_path / "file")
    assert isinstance(result.exception, UserError)
    assert "is a file" in str(result.exception)
