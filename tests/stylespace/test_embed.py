"""What a code does not draw of a picture its generator learns; codes mean what they did, and the generator that was given is left alone."""

import copy

import pytest
import torch

from stylespace.embed import TUNING_SHARE, code_steps, embed, tune
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.invert import invert


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    generator = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2).requires_grad_(False)
    return generator, Encoder(16, w_dim=8, width=8, hidden=12).eval().seen


@pytest.fixture(scope="module")
def picture():
    """Noise: no code draws it."""
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(6)).clamp(-1, 1)


def test_tuning_comes_nearer_than_as_many_steps_of_the_code(networks, picture):
    generator, encoder = networks
    found = embed(generator, encoder, picture, 100)
    assert found.loss < 0.95 * float(invert(generator, encoder, picture, 100).loss)
    assert torch.equal(found.inversion.s, invert(generator, encoder, picture, code_steps(100)).s)


def test_only_what_draws_is_tuned_and_of_a_copy(networks, picture):
    generator, encoder = networks
    before = copy.deepcopy(generator.state_dict())
    own = embed(generator, encoder, picture, 10).learned.onto(generator)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    changed = {name for name, tensor in own.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {"synthesis.b16.conv0.weight", "synthesis.b4.const", "synthesis.b16.torgb.weight"} <= changed
    assert not {name for name in changed if ".affine." in name or name.startswith("mapping.") or name.endswith(".noise_const")}
    assert not any(weight.requires_grad for weight in own.parameters())


def test_it_is_the_same_every_time_and_tells_of_every_step(networks, picture):
    generator, encoder = networks
    steps = []
    one = embed(generator, encoder, picture, 10, lambda image: image.mean(dim=(2, 3)), lambda step, loss: steps.append(step))
    other = embed(generator, encoder, picture, 10, lambda image: image.mean(dim=(2, 3)))
    assert steps == list(range(1, 11))
    assert one.loss == other.loss
    assert all(torch.equal(step, other.learned.steps[name]) for name, step in one.learned.steps.items())


def test_others_take_half_and_keep_their_colours(networks, picture):
    generator, encoder = networks
    learned = embed(generator, encoder, picture, 10).learned
    torch.manual_seed(1)
    other = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2)
    before, after = other.state_dict(), learned.elsewhere(other).state_dict()
    for name, tensor in after.items():
        step = torch.zeros(()) if ".torgb." in name else learned.steps.get(name.removeprefix("synthesis."), torch.zeros(()))
        torch.testing.assert_close(tensor, before[name] + 0.5 * step)


def test_no_steps_are_the_encoders_code_and_the_generator_as_it_was(networks, picture):
    generator, encoder = networks
    found = embed(generator, encoder, picture, 0)
    assert torch.equal(found.inversion.s, invert(generator, encoder, picture, 0).s)
    assert not any(step.any() for step in found.learned.steps.values())
    assert found.loss == pytest.approx(float(found.inversion.loss))


def test_gradients_need_not_be_on(networks, picture):
    generator, encoder = networks
    s = invert(generator, encoder, picture, 0).s
    with torch.no_grad():
        learned = tune(generator, s, picture, 5)
    assert not torch.equal(learned.onto(generator).synthesise(s), generator.synthesise(s))


def test_the_shares_of_the_steps():
    assert code_steps(0) == 0
    assert code_steps(150) + round(150 * TUNING_SHARE) == 150
