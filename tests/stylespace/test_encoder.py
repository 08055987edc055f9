import pytest
import torch

from stylespace.encoder import TOLD_SPREAD, Encoder
from stylespace.trunks import build_trunk, fitted

FACTS = 5


@pytest.fixture
def network():
    torch.manual_seed(0)
    encoder = Encoder(16, w_dim=8, width=8, hidden=12, facts=FACTS)
    encoder.measure(torch.arange(5.0), torch.linspace(0.5, 2.0, 5))
    return encoder


def test_what_is_seen_has_mean_square_one(network):
    seen = network.seen(torch.randn(5, 3, 16, 16))
    assert torch.allclose(seen.square().mean(dim=1), torch.ones(5), atol=1e-5)


def test_growing_the_output_wins_nothing(network):
    """The gradient has no component along the code itself: its length cannot be learned."""
    weight = network.out.weight
    (network.seen(torch.randn(4, 3, 16, 16)) * torch.randn(4, 8)).sum().backward()
    along = (weight.grad * weight).sum() + (network.out.bias.grad * network.out.bias).sum()
    assert along.abs() < 1e-4 * weight.grad.norm() * weight.norm()


def test_a_change_of_facts_is_one_step_in_every_code(network):
    images, facts, change = torch.randn(4, 3, 16, 16), torch.randn(4, FACTS), torch.randn(1, FACTS)
    steps = network(images, facts + change) - network(images, facts)
    assert torch.allclose(steps, network.step(change).expand(4, -1), atol=1e-5)
    assert torch.allclose(network.step(3 * change), 3 * network.step(change), atol=1e-5)


def test_mean_facts_say_nothing(network):
    images = torch.randn(3, 3, 16, 16)
    assert torch.equal(network(images, network.mean.expand(3, -1)), network.seen(images))


def test_an_encoder_may_be_told_nothing():
    torch.manual_seed(0)
    network, images = Encoder(16, w_dim=8, width=8, hidden=12), torch.randn(3, 3, 16, 16)
    assert torch.equal(network(images, torch.zeros(3, 0)), network.seen(images))


def test_what_codes_say_already_can_become_what_is_told(network):
    """Codes of a linear world: their map is found, and stretched where it is weaker than a new encoder's."""
    facts = network.mean + network.deviation * torch.randn(200, FACTS)
    truth = torch.randn(8, FACTS) * torch.tensor([1.0, 1.0, 1.0, 1.0, 1e-3])
    network.split(3 + (facts - network.mean) / network.deviation @ truth.T, facts)
    assert torch.allclose(network.told.weight[:, :4], truth[:, :4], atol=0.05)
    weak = network.told.weight[:, 4]
    assert torch.allclose(weak.square().mean().sqrt(), torch.tensor(TOLD_SPREAD), rtol=1e-4)


def test_a_picture_does_not_depend_on_its_batch(network):
    images, facts = torch.randn(4, 3, 16, 16), torch.randn(4, FACTS)
    assert torch.allclose(network(images, facts)[1:2], network(images[1:2], facts[1:2]), atol=1e-5)


def test_its_trunk_can_be_a_readers(network):
    torch.manual_seed(1)
    trunk, _ = build_trunk("residual", 16, 8)
    network.trunk.load_state_dict(trunk.state_dict())
    image = torch.randn(2, 3, 16, 16)
    assert torch.equal(network.trunk(image), trunk(image))


def test_larger_pictures_are_resized(network):
    large = torch.randn(2, 3, 40, 40)
    assert torch.allclose(network.seen(large), network.seen(fitted(large, 16)), atol=1e-6)
