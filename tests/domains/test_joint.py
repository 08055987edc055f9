"""The joint stage: every network learns, resuming is exact."""

import pytest
import torch

from domains.joint import Joint, Terms, maps_of
from stylespace.critic import FeatureCritic
from stylespace.encoder import Encoder
from stylespace.generator import Generator


def levels(images):
    """What stands for a network that reads faces: coarse and fine averages."""
    maps = [torch.nn.functional.avg_pool2d(images, size) for size in (2, 8)]
    return [*maps, maps[-1].flatten(1)]


def reals(position, count, generator):
    """A picture of one flat colour with a square of another one in its middle: the colours are the code."""
    codes = torch.randn(count, 6, generator=torch.Generator().manual_seed(position))
    values = codes.tanh()[..., None, None]
    pictures = values[:, :3].expand(-1, -1, 16, 16).clone()
    pictures[..., 5:11, 5:11] += values[:, 3:]
    return pictures, codes


def make_stage(terms=None, batch=8, total_images=400, rate=2e-3):
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=24, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    encoder = Encoder(resolution=16, w_dim=16, width=8, hidden=16)
    critic = FeatureCritic([3, 3], width=8)
    return Joint(generator, encoder, critic, levels, reals, batch, total_images, rate, terms=terms, mapping_boost=10.0)


def run(stage, steps, first=0):
    places = [index * stage.batch for index in range(first, first + steps)]
    return [stage.step(place, torch.Generator().manual_seed(place)) for place in places]


def test_it_learns_pictures_and_features():
    metrics = run(make_stage(batch=16, total_images=16 * 80, rate=4e-3), 80)
    for name in ("encoded", "mapped", "features"):
        assert float(metrics[-1][name]) < 0.8 * float(metrics[0][name]), name


def test_every_network_moves_and_the_averages_follow():
    stage = make_stage(Terms(fooling=0.2))
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in stage.modules.items()}
    metrics = run(stage, 3)[-1]
    for name, module in stage.modules.items():
        assert any(not torch.equal(value, before[name][key]) for key, value in module.state_dict().items() if "weight" in key), name
    assert all(torch.isfinite(value).all() for value in metrics.values())


def test_without_a_critic_it_is_left_alone():
    stage = make_stage()
    before = stage.critic.heads[0][0].bias.clone()
    assert not {"fooling", "critic"} & run(stage, 1)[0].keys()
    assert torch.equal(stage.critic.heads[0][0].bias, before)


def test_a_resumed_stage_is_the_uninterrupted_one():
    whole, first, second = (make_stage(Terms(fooling=0.2)) for _ in range(3))
    run(whole, 4)
    run(first, 2)
    for name, module in second.modules.items():
        module.load_state_dict(first.modules[name].state_dict())
    for name, optimizer in second.optimizers.items():
        optimizer.load_state_dict(first.optimizers[name].state_dict())
    run(second, 2, first=2)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


def test_maps_are_told_from_vectors():
    assert [level.dim() for level in maps_of(levels(torch.zeros(2, 3, 16, 16)))] == [4, 4]


def test_a_batch_must_halve():
    with pytest.raises(ValueError, match="even number"):
        make_stage(batch=7)
