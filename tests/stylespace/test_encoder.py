import pytest
import torch

from stylespace.encoder import Encoder
from stylespace.trunks import build_trunk, fitted


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Encoder(16, w_dim=8, width=8, hidden=12)


def test_codes_have_mean_square_one(network):
    w = network(torch.randn(5, 3, 16, 16))
    assert torch.allclose(w.square().mean(dim=1), torch.ones(5), atol=1e-5)


def test_growing_the_output_wins_nothing(network):
    """The gradient has no component along the code itself: its length cannot be learned."""
    weight = network.out.weight
    (network(torch.randn(4, 3, 16, 16)) * torch.randn(4, 8)).sum().backward()
    along = (weight.grad * weight).sum() + (network.out.bias.grad * network.out.bias).sum()
    assert along.abs() < 1e-4 * weight.grad.norm() * weight.norm()


def test_a_picture_does_not_depend_on_its_batch(network):
    images = torch.randn(4, 3, 16, 16)
    assert torch.allclose(network(images)[1:2], network(images[1:2]), atol=1e-5)


def test_its_trunk_can_be_a_readers(network):
    torch.manual_seed(1)
    trunk, _ = build_trunk("residual", 16, 8)
    network.trunk.load_state_dict(trunk.state_dict())
    image = torch.randn(2, 3, 16, 16)
    assert torch.equal(network.trunk(image), trunk(image))


def test_larger_pictures_are_resized(network):
    large = torch.randn(2, 3, 40, 40)
    assert torch.allclose(network(large), network(fitted(large, 16)), atol=1e-6)
