"""`train-generator` goes on from other stacks: from a generator whose encoder was told nothing, and by its last stage alone."""

import shutil

import pytest
import torch
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.recipes.generator import RecipeOptions, run
from cddfm.reconstruct import Reconstructor
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.world import CODE_DIM
from cddfm.world.worn import WORN
from stylespace.encoder import TOLD_SPREAD, Encoder
from stylespace.generator import Generator
from stylespace.weights import save_network


def earlier(folder, facts=0):
    """A stack with networks of the tiny preset's shapes."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator = Generator(16, z_dim=384, w_dim=192, channel_base=256, channel_max=32, mapping_layers=2)
        encoder = Encoder(16, w_dim=192, width=8, facts=facts)
    save_network(folder / "generator.safetensors", generator)
    save_network(folder / "encoder.safetensors", encoder)
    return Stack(folder)


def train(tiny_stack, folder, **changes):
    """What the command makes in a stack that has the tiny one's estimator."""
    (folder / "stack").mkdir(parents=True)
    shutil.copy(tiny_stack / "estimator.safetensors", folder / "stack")
    sets = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
    folders = ["--stack", str(folder / "stack"), "--work", str(folder / "work")]
    result = CliRunner().invoke(app, ["train-generator", "--preset", "tiny", *folders, "--device", "cpu", *sets])
    assert result.exit_code == 0, result.output
    return Stack(folder / "stack")


def test_an_encoder_that_was_told_nothing_is_told_what_it_sees(tiny_stack, tmp_path):
    known = earlier(tmp_path / "earlier").encoder
    stack = train(tiny_stack, tmp_path, start=tmp_path / "earlier", warm_images=0, total_images=8, rate=1e-9, pool=200, twins=8)
    found = stack.encoder
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(found.seen(images), known.seen(images), atol=1e-2, rtol=1e-2)  # stored as float16
    lengths = found.told.weight.square().mean(dim=0).sqrt()
    assert found.facts == stack.estimator.layout.total + len(WORN) == len(lengths)
    assert float(lengths.min()) > 0.99 * TOLD_SPREAD


def test_stages_of_no_images_are_left_out(tiny_stack, tmp_path):
    known = earlier(tmp_path / "earlier", facts=Stack(tiny_stack).encoder.facts)
    last = dict(warm_images=0, total_images=0, mapping_images=0, together_images=16)
    found = train(tiny_stack, tmp_path, start=tmp_path / "earlier", **last)
    assert not any((tmp_path / "work" / stage).exists() for stage in ("warm", "generator", "mapping"))
    for name, tensor in known.encoder.state_dict().items():
        assert torch.equal(tensor.half().float(), found.encoder.state_dict()[name]), name  # stored as float16
    before, after = known.generator.state_dict(), found.generator.state_dict()
    assert not any(torch.equal(before[name].half().float(), after[name]) for name in ("mapping.fc0.weight", "synthesis.b16.conv1.weight"))


def test_an_encoder_that_was_told_less_is_told_what_is_worn_and_the_mapping_learns_it(tiny_stack, tmp_path):
    told = Stack(tiny_stack).estimator.layout.total
    known = earlier(tmp_path / "earlier", facts=told)
    found = train(tiny_stack, tmp_path, start=tmp_path / "earlier", warm_images=0, total_images=0, mapping_images=32, together_images=0)
    assert found.encoder.facts == told + len(WORN)
    images, change = torch.rand(2, 3, 16, 16) * 2 - 1, torch.randn(2, told)
    torch.testing.assert_close(found.encoder.seen(images), known.encoder.seen(images), atol=1e-2, rtol=1e-2)  # stored as float16
    torch.testing.assert_close(found.encoder.step(change), known.encoder.step(change), atol=1e-2, rtol=1e-2)
    bare = torch.cat([known.encoder.mean, torch.zeros(len(WORN))])
    torch.testing.assert_close(found.encoder.mean, bare, atol=1e-3, rtol=1e-3)
    assert float(found.encoder.step_last(torch.eye(len(WORN))).square().mean(dim=1).min()) > 0.1**2
    before, after = known.generator.state_dict(), found.generator.state_dict()
    assert not torch.equal(before["mapping.fc0.weight"].half().float(), after["mapping.fc0.weight"])
    assert torch.equal(before["synthesis.b16.conv1.weight"].half().float(), after["synthesis.b16.conv1.weight"])


def test_an_estimator_that_does_not_say_what_is_worn_is_refused(tiny_stack, tmp_path):
    estimator = Stack(tiny_stack).estimator
    blind = Reconstructor(**estimator.arguments | {"wear": []})
    save_network(tmp_path / "estimator.safetensors", blind)
    with pytest.raises(UserError, match="does not say what this world's people wear; train it with 'cddfm train-reconstruction"):
        run(RecipeOptions(), Folders(tmp_path, tmp_path / "work"), "cpu")


def test_a_z_that_holds_no_scene_code_is_refused_at_once(tmp_path):
    with pytest.raises(UserError, match=f"z_dim=100 is too short .* make it {CODE_DIM} or more"):
        run(RecipeOptions(z_dim=100), Folders(tmp_path / "stack", tmp_path / "work"), "cpu")
