"""The first stage of a generator from scratch learn."""

import pytest
import torch

from domains.train import EncoderStart, Lesson, WarmStart
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.schedule import rate_at


def tiny_networks():
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=24, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    encoder = Encoder(resolution=16, w_dim=16, width=8, hidden=16)
    return generator, encoder


def plain_views(position, count, generator):
    """Pictures of one flat colour, of which nothing is told."""
    colours = torch.randn(count, 3, generator=torch.Generator().manual_seed(position)).tanh()
    pictures = colours[:, :, None, None].expand(-1, -1, 16, 16).contiguous()
    return Lesson(pictures, torch.zeros(count, 0), pictures, torch.zeros(count, 0), torch.zeros(count, 0))


def run(stage, steps, first=0):
    metrics = []
    for index in range(first, first + steps):
        position = index * stage.batch
        metrics.append(stage.step(position, torch.Generator().manual_seed(position)))
    return metrics


def test_the_learning_rate_warms_up_and_falls():
    assert rate_at(0, 1000) < 0.1
    assert rate_at(100, 1000) > 0.9
    assert rate_at(1000, 1000) == pytest.approx(0.05)


def test_the_warm_start_learns_to_redraw():
    generator, encoder = tiny_networks()
    stage = WarmStart(generator, encoder, plain_views, batch=16, total_images=16 * 60, rate=4e-3)
    metrics = run(stage, 60)
    assert metrics[-1]["picture"] < 0.5 * metrics[0]["picture"]


def test_an_encoder_learns_to_feed_a_generator_that_stays_as_it_is():
    generator, encoder = tiny_networks()
    warm = WarmStart(generator, encoder, plain_views, batch=16, total_images=16 * 40, rate=4e-3)
    run(warm, 40)
    drawn = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    torch.manual_seed(5)
    other = Encoder(resolution=16, w_dim=16, width=8, hidden=16)
    metrics = run(EncoderStart(generator, other, plain_views, batch=16, total_images=16 * 60, rate=4e-3), 60)
    assert float(metrics[-1]["picture"]) < 0.6 * float(metrics[0]["picture"])
    assert all(torch.equal(tensor, drawn[name]) for name, tensor in generator.state_dict().items())
