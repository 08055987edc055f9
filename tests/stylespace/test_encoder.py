import torch

from stylespace.encoder import Encoder, Whitening


def test_whitened_codes_have_zero_mean_and_unit_variance():
    torch.manual_seed(0)
    network = Whitening(4)
    data = torch.randn(200, 32, 4) * torch.tensor([0.1, 1.0, 5.0, 20.0]) + 3.0
    for batch in data:
        network(batch)
    out = network.eval()(data.flatten(0, 1))
    assert out.mean(dim=0).abs().max() < 0.15
    assert (out.std(dim=0) - 1).abs().max() < 0.15


def test_training_and_evaluation_see_the_same_w():
    torch.manual_seed(0)
    network = Encoder(16, w_dim=8, channel_base=128, channel_max=16)
    for _ in range(50):
        network.train()(torch.randn(8, 3, 16, 16))
    images = torch.randn(8, 3, 16, 16)
    trained = network(images)
    assert torch.allclose(trained, network.eval()(images), atol=1e-4)


def test_growing_the_output_wins_nothing():
    """The gradient of a whitened batch has no component along the batch itself: scale and offset cannot be learned."""
    torch.manual_seed(0)
    network = Whitening(3)
    x = torch.randn(16, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad((network(x) * torch.randn(16, 3)).sum(), x)
    assert gradient.sum(dim=0).abs().max() < 1e-4
    assert (gradient * x).sum(dim=0).abs().max() < 1e-4
