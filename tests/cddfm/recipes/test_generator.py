"""`train-generator` goes on from other stacks: from a generator whose encoder was told nothing, and by its last stage alone."""

import shutil

import pytest
import torch
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.recipes.generator import RecipeOptions, run
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.world import CODE_DIM
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
    (folder / "stack").mkdir()
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
    assert found.facts == stack.estimator.layout.total == len(lengths)
    assert float(lengths.min()) > 0.99 * TOLD_SPREAD


def test_stages_of_no_images_are_left_out(tiny_stack, tmp_path):
    known = earlier(tmp_path / "earlier", facts=Stack(tiny_stack).estimator.layout.total)
    last = dict(warm_images=0, total_images=0, mapping_images=0, together_images=16)
    found = train(tiny_stack, tmp_path, start=tmp_path / "earlier", **last)
    assert not any((tmp_path / "work" / stage).exists() for stage in ("warm", "generator", "mapping"))
    for name, tensor in known.encoder.state_dict().items():
        assert torch.equal(tensor.half().float(), found.encoder.state_dict()[name]), name  # stored as float16
    before, after = known.generator.state_dict(), found.generator.state_dict()
    assert not any(torch.equal(before[name].half().float(), after[name]) for name in ("mapping.fc0.weight", "synthesis.b16.conv1.weight"))


def test_a_z_that_holds_no_scene_code_is_refused_at_once(tmp_path):
    with pytest.raises(UserError, match=f"z_dim=100 is too short .* make it {CODE_DIM} or more"):
        run(RecipeOptions(z_dim=100), Folders(tmp_path / "stack", tmp_path / "work"), "cpu")
