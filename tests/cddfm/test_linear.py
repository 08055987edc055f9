"""The linear baseline: finds a linear world exactly, edits by it, chooses its regularisation, survives saving."""

import shutil

import pytest
import torch
from typer.testing import CliRunner

from cddfm.blocks import LARGEST_CHANGE
from cddfm.cli import app
from cddfm.errors import UserError
from cddfm.linear import ALPHAS, LinearRig, fit_linear
from cddfm.stack import Stack
from stylespace.weights import load_network, read_notes, save_network
from tests.cddfm.standins import SIZES

TOTAL = sum(SIZES) + 3 + 27 + 3


def linear_world(noise: float, samples: int = 600):
    """Codes that are a linear map of parameters of different units, plus noise."""
    randomness = torch.Generator().manual_seed(0)
    units = 10 ** torch.linspace(-1, 1, TOTAL)
    flat = torch.randn(samples, TOTAL, generator=randomness) * units + 3
    matrix = torch.randn(TOTAL, 60, generator=randomness) / units[:, None]
    return flat @ matrix + noise * torch.randn(samples, 60, generator=randomness), flat, matrix


def test_a_linear_world_is_found():
    s, flat, matrix = linear_world(noise=0.01)
    rig, facts = fit_linear(s, flat, SIZES)
    part = rig.layout.slices["pose"]
    delta = torch.randn(600, 3) * flat[:, part].std(dim=0)
    moved = rig.edit(s, {"pose": delta}) - s
    assert torch.allclose(moved, delta @ matrix[part], atol=0.05 * float(moved.std()))
    error = (rig.predict(s).flatten() - flat) / flat.std(dim=0)
    assert error.abs().max() < 0.05
    assert facts["write"]["explained"] > 0.99
    assert facts["write"]["alpha"] in ALPHAS


def test_noise_asks_for_more_regularisation():
    alphas = []
    for noise in (0.01, 100.0):
        s, flat, _ = linear_world(noise, samples=100)
        alphas.append(fit_linear(s, flat, SIZES)[1]["write"]["alpha"])
    assert alphas[0] < alphas[1]


def test_several_attributes_add_up_and_limits_hold():
    s, flat, _ = linear_world(noise=1.0)
    rig, _ = fit_linear(s, flat, SIZES)
    pose, light = torch.ones(600, 3), torch.ones(600, 27)
    both = rig.edit(s, {"pose": pose, "light": light})
    assert torch.allclose(both, rig.edit(rig.edit(s, {"pose": pose}), {"light": light}), atol=1e-4)
    spread = rig.statistics.deviation[rig.layout.slices["pose"]]
    most, beyond = rig.edit(s, {"pose": spread * LARGEST_CHANGE * pose}), rig.edit(s, {"pose": spread * 100 * pose})
    assert torch.allclose(most, beyond, atol=1e-4)
    with pytest.raises(ValueError, match="no attribute 'yaw'"):
        rig.edit(s, {"yaw": pose})


def test_too_few_samples_are_refused():
    with pytest.raises(UserError, match="8 samples or more, not 4; raise total_images"):
        fit_linear(torch.randn(4, 10), torch.randn(4, TOTAL), SIZES)


def test_survives_saving(tmp_path):
    rig, _ = fit_linear(*linear_world(noise=1.0)[:2], SIZES)
    save_network(tmp_path / "linear.safetensors", rig)
    again = load_network(tmp_path / "linear.safetensors", LinearRig)
    s = torch.randn(2, 60)
    assert torch.equal(again.predict(s).flatten(), rig.predict(s).flatten())


def test_the_command_writes_the_network_and_what_was_found(tiny_stack, tmp_path):
    stack = tmp_path / "stack"
    shutil.copytree(tiny_stack, stack)
    (stack / "linear.safetensors").unlink()
    arguments = ["train-linear", "--preset", "tiny", "--stack", str(stack), "--work", str(tmp_path / "work"), "--device", "cpu"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "leave one out" in result.output
    notes = read_notes(stack / "linear.safetensors")
    assert notes["samples"] == 32
    assert {notes["regressions"][name]["alpha"] for name in ("write", "read")} <= set(ALPHAS)
    assert Stack(stack).linear.read.abs().max() > 0
