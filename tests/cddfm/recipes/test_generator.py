"""`train-generator` goes on from a generator whose encoder was told nothing."""

import shutil

import pytest
import torch
from typer.testing import CliRunner

from cddfm.cli import app
from cddfm.stack import Stack
from stylespace.encoder import TOLD_SPREAD, Encoder
from stylespace.generator import Generator
from stylespace.weights import save_network


@pytest.fixture
def earlier(tmp_path):
    """Networks of the tiny preset's shapes."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator = Generator(16, z_dim=384, w_dim=192, channel_base=256, channel_max=32, mapping_layers=2)
        encoder = Encoder(16, w_dim=192, width=8)
    save_network(tmp_path / "earlier" / "generator.safetensors", generator)
    save_network(tmp_path / "earlier" / "encoder.safetensors", encoder)
    return tmp_path / "earlier"


def test_an_encoder_that_was_told_nothing_is_told_what_it_sees(earlier, tiny_stack, tmp_path):
    (tmp_path / "stack").mkdir()
    shutil.copy(tiny_stack / "estimator.safetensors", tmp_path / "stack")
    changes = [f"start={earlier}", "warm_images=0", "total_images=8", "rate=1e-9", "pool=200", "twins=8"]
    sets = [part for change in changes for part in ("--set", change)]
    folders = ["--stack", str(tmp_path / "stack"), "--work", str(tmp_path / "work")]
    result = CliRunner().invoke(app, ["train-generator", "--preset", "tiny", *folders, "--device", "cpu", *sets])
    assert result.exit_code == 0, result.output
    known, found = Stack(earlier).encoder, Stack(tmp_path / "stack").encoder
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(found.seen(images), known.seen(images), atol=1e-2, rtol=1e-2)  # stored as float16
    lengths = found.told.weight.square().mean(dim=0).sqrt()
    assert found.facts == Stack(tmp_path / "stack").estimator.layout.total == len(lengths)
    assert float(lengths.min()) > 0.99 * TOLD_SPREAD
