import torch

from stylespace.discriminator import Discriminator, minibatch_deviation


def test_one_score_per_picture_for_any_batch():
    torch.manual_seed(0)
    network = Discriminator(16, channel_base=128, channel_max=16)
    for batch in (1, 3, 6, 8):
        assert network(torch.randn(batch, 3, 16, 16)).shape == (batch,)


def test_minibatch_deviation_sees_whether_pictures_differ():
    x = torch.randn(1, 5, 4, 4)
    same, different = minibatch_deviation(x.repeat(4, 1, 1, 1)), minibatch_deviation(torch.randn(4, 5, 4, 4))
    assert same.shape == (4, 6, 4, 4)
    assert same[:, 5].max() < 1e-3
    assert different[:, 5].min() > 0.3


def test_scores_are_unit_scaled_at_the_start():
    torch.manual_seed(0)
    scores = Discriminator(32, channel_base=512, channel_max=64)(torch.randn(32, 3, 32, 32))
    assert 0.01 < scores.std() < 3
