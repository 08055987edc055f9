"""A generator from scratch: both stages learn, resume exactly, and z stays standard normal."""

import pytest
import torch

from domains.train import Adversarial, EncoderStart, Joint, MappingFit, WarmStart, code_rotation, latent_of
from stylespace.continued import continue_encoder
from stylespace.discriminator import Discriminator
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.schedule import rate_at


def tiny_networks():
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=24, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    encoder = Encoder(resolution=16, w_dim=16, channel_base=128, channel_max=16)
    discriminator = Discriminator(resolution=16, channel_base=128, channel_max=16)
    return generator, encoder, discriminator


def plain_reals(position, count, generator):
    """Pictures of one flat colour; the colour is the code."""
    codes = torch.randn(count, 3, generator=torch.Generator().manual_seed(position))
    return codes.tanh()[:, :, None, None].expand(-1, -1, 16, 16).contiguous(), codes


def run(stage, steps, first=0):
    metrics = []
    for index in range(first, first + steps):
        position = index * stage.batch
        metrics.append(stage.step(position, torch.Generator().manual_seed(position)))
    return metrics


def test_the_rotation_is_orthogonal_and_fixed():
    rotation = code_rotation(12)
    assert torch.allclose(rotation @ rotation.T, torch.eye(12), atol=1e-5)
    assert torch.equal(rotation, code_rotation(12))


def test_latents_of_codes_are_standard_normal_and_carry_the_code():
    codes = torch.randn(4000, 5, generator=torch.Generator().manual_seed(1))
    rotation = code_rotation(8)
    z = latent_of(codes, rotation, torch.Generator().manual_seed(2))
    assert torch.allclose(z.T.cov(), torch.eye(8), atol=0.12)
    assert torch.allclose((z @ rotation)[:, :5], codes, atol=1e-5)
    with pytest.raises(ValueError, match="raise z_dim"):
        latent_of(codes, code_rotation(4), torch.Generator())


def test_the_learning_rate_warms_up_and_falls():
    assert rate_at(0, 1000) < 0.1
    assert rate_at(100, 1000) > 0.9
    assert rate_at(1000, 1000) == pytest.approx(0.05)


def test_the_warm_start_learns_to_redraw():
    generator, encoder, _ = tiny_networks()
    stage = WarmStart(generator, encoder, plain_reals, batch=16, total_images=16 * 60, rate=4e-3)
    metrics = run(stage, 60)
    assert metrics[-1]["picture"] < 0.5 * metrics[0]["picture"]


def test_the_mapping_learns_where_the_encoder_puts_a_code():
    generator, _, _ = tiny_networks()
    codes = torch.randn(500, 6, generator=torch.Generator().manual_seed(3))
    w = codes.tanh() @ torch.randn(6, 16, generator=torch.Generator().manual_seed(4))
    stage = MappingFit(generator, codes, w, batch=64, total_images=64 * 400)
    metrics = run(stage, 400)
    assert metrics[-1]["mapping"] < 0.3 * metrics[0]["mapping"]


def test_the_adversarial_stage_moves_everything_and_averages():
    generator, encoder, discriminator = tiny_networks()
    stage = Adversarial(generator, encoder, discriminator, plain_reals, batch=8, total_images=200)
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in stage.modules.items()}
    metrics = run(stage, 3)
    assert {"r1", "path"} <= metrics[0].keys()
    for name in ("generator", "encoder", "discriminator", "average"):
        changed = [key for key, value in stage.modules[name].state_dict().items() if not torch.equal(value, before[name][key])]
        assert any("weight" in key for key in changed), name
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in metrics[-1].values())


def test_a_resumed_adversarial_stage_is_the_uninterrupted_one():
    whole = Adversarial(*tiny_networks(), plain_reals, batch=8, total_images=200)
    run(whole, 4)
    first = Adversarial(*tiny_networks(), plain_reals, batch=8, total_images=200)
    run(first, 2)
    second = Adversarial(*tiny_networks(), plain_reals, batch=8, total_images=200)
    for name, module in second.modules.items():
        module.load_state_dict(first.modules[name].state_dict())
    for name, optimizer in second.optimizers.items():
        optimizer.load_state_dict(first.optimizers[name].state_dict())
    run(second, 2, first=2)
    for name, value in whole.generator.state_dict().items():
        assert torch.equal(value, second.generator.state_dict()[name]), name


def test_the_joint_stage_brings_mapping_and_encoder_together():
    generator, encoder, _ = tiny_networks()
    stage = Joint(generator, encoder, plain_reals, batch=16, total_images=16 * 60, rate=4e-3, mapping_boost=10.0)
    metrics = run(stage, 60)
    assert float(metrics[-1]["mapped"]) < 0.7 * float(metrics[0]["mapped"])
    assert float(metrics[-1]["encoded"]) < 0.7 * float(metrics[0]["encoded"])


def test_a_new_front_feeds_the_blocks_that_were_there():
    torch.manual_seed(0)
    earlier, larger = (Encoder(resolution=size, w_dim=16, channel_base=128, channel_max=16) for size in (8, 16))
    new = continue_encoder(larger, earlier)
    kept = larger.out.weight.clone()
    metrics = run(EncoderStart(larger, earlier, new, plain_reals, batch=16, total_images=16 * 60, rate=4e-3), 60)
    assert float(metrics[-1]["w"]) < 0.5 * float(metrics[0]["w"])
    assert torch.equal(larger.out.weight, kept)
