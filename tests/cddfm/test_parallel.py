"""A team of two processes under torchrun: it learns what one process would, both hold the same, one of them writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cddfm.errors import UserError
from cddfm.loop import train
from cddfm.parallel import ALONE, joined, team
from tests.cddfm.team_worker import Regression, Toy

COMMAND = ["train-reconstruction", "--preset", "tiny", "--device", "cpu", "--set", "role=judge"]
FEW = ["--set", "pool=8", "--set", "styled=toon=4", "--set", "batch=8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What two processes left behind: see team_worker.py."""
    folder = tmp_path_factory.mktemp("team")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.cddfm.team_worker"]
    command = [*COMMAND, *FEW, "--stack", str(folder / "stack"), "--work", str(folder / "runs")]
    with (folder / "messages").open("w") as messages, subprocess.Popen([*launch, str(folder), *command], stderr=messages) as process:
        try:
            assert process.wait(timeout=300) == 0, (folder / "messages").read_text()
        finally:
            process.terminate()  # torchrun then ends its workers
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict]:
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_learn_what_one_learns_from_batches_of_both(found, tmp_path: Path) -> None:
    alone = Regression(8, 32)
    assert train(alone, Toy(batch=8), tmp_path, "alone")
    for name, parameter in alone.line.named_parameters():
        torch.testing.assert_close(found[0]["plain"]["line"][name], parameter.detach())
    assert not torch.equal(alone.line.early.weight, Regression(8, 32).line.early.weight)


def test_what_nobody_has_a_gradient_for_stays(found) -> None:
    assert torch.equal(found[0]["plain"]["line"]["idle.weight"], Regression(4, 32).line.idle.weight)


@pytest.mark.parametrize("name", ["plain", "whole", "rest"])
def test_both_hold_the_same_weights_buffers_and_averages(found, name: str) -> None:
    for key, state in found[0][name].items():
        assert all(torch.equal(tensor, found[1][name][key][part]) for part, tensor in state.items())


def test_a_team_resumes_bit_for_bit(found) -> None:
    for key, state in found[0]["whole"].items():
        assert all(torch.equal(tensor, found[0]["rest"][key][part]) for part, tensor in state.items())


def test_a_team_decides_together(found) -> None:
    assert [state["goes_first"] for state in found] == [True, False]
    assert all(state["agreed"] == [True, False, True] and state["told"] == "from 0" for state in found)


def test_reports_are_of_both_processes(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "plain" / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [32]
    assert lines[0]["loss"] == pytest.approx((lines[0]["loss_at_0"] + lines[0]["loss_at_4"]) / 2)


def test_a_command_of_a_team_leaves_what_one_process_leaves(folder: Path, found) -> None:
    assert {path.name for path in (folder / "stack").iterdir()} == {"judge.safetensors"}
    assert {path.name for path in (folder / "runs" / "judge").iterdir()} == {"checkpoint.pt", "log.jsonl", "options.json"}
    assert json.loads((folder / "runs" / "judge" / "options.json").read_text())["processes"] == 2
    assert (folder / "messages").read_text().count("reconstruction: finished") == 1
    first, second = (state["network"] for state in found)
    assert any(name.endswith("running_mean") for name in first)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_without_torchrun_one_process_trains_alone() -> None:
    with joined("cpu", "fp32") as mine:
        assert (mine.rank, mine.size, mine.precision, mine.leads) == (0, 1, "fp32", True)
        assert team() is mine
        assert mine.merged({"loss": (3.0, 2)}) == {"loss": (3.0, 2)}
    assert team() is ALONE


def test_unequal_machines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="equally many"), joined("cpu"):
        pass
