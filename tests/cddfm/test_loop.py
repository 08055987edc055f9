"""The loop: resumed training equals uninterrupted training, options are guarded, divergence is reported."""

import json
import signal

import pytest
import torch
from torch import nn

from cddfm.config import Options
from cddfm.errors import UserError
from cddfm.loop import train


class Count(Options):
    total_images: int = 40
    batch: int = 4
    rate: float = 0.1


class NoisyLine:
    """A stage that regresses noise: its result depends on every random number that it was given."""

    def __init__(self, options: Count):
        torch.manual_seed(options.seed)
        self.batch = options.batch
        self.line = nn.Linear(3, 1)
        self.modules = {"line": self.line}
        self.optimizers = {"line": torch.optim.Adam(self.line.parameters(), lr=options.rate)}
        self.positions: list[int] = []

    def step(self, position, generator):
        self.positions.append(position)
        noise = torch.randn(self.batch, 4, generator=generator)
        loss = (self.line(noise[:, :3]) - noise[:, 3:]).square().mean()
        self.optimizers["line"].zero_grad()
        loss.backward()
        self.optimizers["line"].step()
        return {"loss": loss}


def test_a_resumed_run_is_the_uninterrupted_run(tmp_path):
    whole = NoisyLine(Count())
    assert train(whole, Count(), tmp_path / "whole", "whole")

    first = NoisyLine(Count())
    assert not train(first, Count(), tmp_path / "parts", "first", seconds=-1.0)
    assert train(first, Count(total_images=20), tmp_path / "parts", "half")
    second = NoisyLine(Count())
    assert train(second, Count(), tmp_path / "parts", "rest")
    assert second.positions == list(range(20, 40, 4))
    assert torch.equal(whole.line.weight, second.line.weight)


def test_other_options_are_refused(tmp_path):
    train(NoisyLine(Count(total_images=4)), Count(total_images=4), tmp_path, "run")
    with pytest.raises(UserError, match=r"rate=0\.1"):
        train(NoisyLine(Count(rate=0.2)), Count(rate=0.2), tmp_path, "run")


def test_a_damaged_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="delete it to start over"):
        train(NoisyLine(Count()), Count(), tmp_path, "run")


def test_divergence_stops_with_the_name_of_the_loss(tmp_path):
    stage = NoisyLine(Count())
    nn.init.constant_(stage.line.weight, float("nan"))
    with pytest.raises(UserError, match="loss is not a number"):
        train(stage, Count(), tmp_path, "run")


def test_the_log_counts_images(tmp_path):
    train(NoisyLine(Count()), Count(), tmp_path, "run")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["images"] == 40
    assert "loss" in lines[-1]


class Interrupted(NoisyLine):
    """Ctrl-C arrives in the middle of the third step."""

    def step(self, position, generator):
        if position == 8:
            signal.raise_signal(signal.SIGINT)
        return super().step(position, generator)


def test_an_interrupt_finishes_the_step_and_saves(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(Interrupted(Count()), Count(), tmp_path, "run")
    rest = NoisyLine(Count())
    assert train(rest, Count(), tmp_path, "run")
    assert rest.positions[0] == 12
