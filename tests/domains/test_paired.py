"""Paired finetuning draws the partners, leaves alone what embeds the latent, and resumes exactly."""

import copy

import pytest
import torch

from domains.finetune import frozen_names
from domains.likeness import Likeness
from domains.paired import Paired
from stylespace.critic import FeatureCritic
from stylespace.generator import Generator
from tests.domains.standins import levels


@pytest.fixture
def source():
    torch.manual_seed(0)
    return Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2)


def make_stage(source, steps=40, fooling=0.1):
    def pairs(position, count, generator):
        """The domain is the source with its light and dark exchanged."""
        with torch.no_grad():
            s = source.styles(source.broadcast(source.map(torch.randn(count, 8, generator=generator))))
            return s, -source.synthesise(s, noise="none")

    torch.manual_seed(1)
    likeness = Likeness(FeatureCritic([3, 3], width=8), levels, fooling=fooling)
    return Paired(source, likeness, pairs, batch=8, total_images=8 * steps, rate=5e-3)


def run(stage, start, steps):
    return [stage.step(step * stage.batch, torch.Generator().manual_seed(step)) for step in range(start, start + steps)]


def test_it_draws_the_partners_and_leaves_the_frozen_alone(source):
    before = copy.deepcopy(source.state_dict())
    stage = make_stage(source)
    metrics = run(stage, 0, 40)
    assert metrics[-1]["picture"] < 0.8 * metrics[0]["picture"]
    frozen = frozen_names(source)
    for name, tensor in stage.average.state_dict().items():
        assert torch.equal(source.state_dict()[name], before[name])
        assert torch.equal(tensor, before[name]) or name not in frozen


def test_resuming_is_exact(source):
    straight, first, second = (make_stage(source) for _ in range(3))
    run(straight, 0, 4)
    run(first, 0, 2)
    for name, module in second.modules.items():
        module.load_state_dict(first.modules[name].state_dict())
    for name, optimizer in second.optimizers.items():
        optimizer.load_state_dict(copy.deepcopy(first.optimizers[name].state_dict()))
    run(second, 2, 2)
    for name, tensor in straight.average.state_dict().items():
        assert torch.equal(tensor, second.average.state_dict()[name]), name
