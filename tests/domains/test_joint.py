"""The joint stage: every network learns, resuming is exact."""

import torch

from domains.joint import Joint
from domains.likeness import Likeness
from stylespace.critic import FeatureCritic
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from tests.domains.standins import levels, resumed, run


def reals(position, count, generator):
    """A picture of one flat colour with a square of another one in its middle: the colours are the code."""
    codes = torch.randn(count, 6, generator=torch.Generator().manual_seed(position))
    values = codes.tanh()[..., None, None]
    pictures = values[:, :3].expand(-1, -1, 16, 16).clone()
    pictures[..., 5:11, 5:11] += values[:, 3:]
    return pictures, codes


def make_stage(batch=8, total_images=400, rate=2e-3, **weights):
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=24, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    encoder = Encoder(resolution=16, w_dim=16, width=8, hidden=16)
    likeness = Likeness(FeatureCritic([3, 3], width=8), levels, **weights)
    return Joint(generator, encoder, likeness, reals, batch, total_images, rate)


def test_it_learns_pictures_and_features():
    metrics = run(make_stage(batch=16, total_images=16 * 80, rate=4e-3), 80)
    for name in ("picture", "features"):
        assert float(metrics[-1][name]) < 0.8 * float(metrics[0][name]), name


def test_every_network_moves_and_the_averages_follow():
    stage = make_stage(fooling=0.2)
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in stage.modules.items()}
    metrics = run(stage, 3)[-1]
    for name, module in stage.modules.items():
        assert any(not torch.equal(value, before[name][key]) for key, value in module.state_dict().items() if "weight" in key), name
    assert all(torch.isfinite(value).all() for value in metrics.values())


def test_a_resumed_stage_is_the_uninterrupted_one():
    whole, second = resumed(lambda: make_stage(fooling=0.2))
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


def test_noise_is_left_out():
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=24, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    for name, strength in generator.named_parameters():
        if name.endswith("noise_strength"):
            strength.data.fill_(1.0)
    stage = Joint(generator, Encoder(16, 16, 8, 16), Likeness(FeatureCritic([3, 3], width=8), levels), reals, 4, 40)
    run(stage, 2)
    s = torch.randn(1, generator.style_layout.style_dim, generator=torch.Generator().manual_seed(1))
    for network in (generator, stage.average):
        assert torch.equal(network.synthesise(s, noise="const"), network.synthesise(s, noise="none"))
