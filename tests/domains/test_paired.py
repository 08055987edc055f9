"""Paired finetuning draws the partners, leaves alone what embeds the latent, and resumes exactly."""

import copy

import pytest
import torch

from domains.finetune import embedding_names, published_names
from domains.kinds import KINDS
from domains.paired import Paired
from stylespace.generator import Generator
from tests.domains.standins import kinds, noise_strengths, resumed, run


@pytest.fixture
def source():
    torch.manual_seed(0)
    return Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2)


def make_stage(source, steps=40, fooling=0.1):
    def pairs(position, count, generator):
        """The domain is the source with its light and dark exchanged; codes of the second kind are those of the first."""
        with torch.no_grad():
            s = source.styles(source.broadcast(source.map(torch.randn(count, 8, generator=generator))))
            return s.repeat(2, 1), -source.synthesise(s)

    torch.manual_seed(1)
    return Paired(source, kinds(fooling=fooling), pairs, batch=8, total_images=8 * steps, rate=5e-3)


def test_it_draws_the_partners_and_leaves_the_frozen_alone(source):
    before = copy.deepcopy(source.state_dict())
    stage = make_stage(source)
    metrics = run(stage, 40)
    for kind in KINDS:
        assert metrics[-1][f"{kind}_picture"] < 0.8 * metrics[0][f"{kind}_picture"]
    frozen, colours = embedding_names(source), published_names(source) - embedding_names(source)
    for name, tensor in stage.average.state_dict().items():
        assert torch.equal(source.state_dict()[name], before[name])
        assert torch.equal(tensor, before[name]) or name not in frozen
        assert not torch.equal(tensor, before[name]) or name not in colours, "toRGB layers' colours learn, their styles do not"
    assert all(strength != 0.0 for strength in noise_strengths(stage.average))


def test_resuming_is_exact(source):
    straight, second = resumed(lambda: make_stage(source))
    for name, tensor in straight.average.state_dict().items():
        assert torch.equal(tensor, second.average.state_dict()[name]), name
