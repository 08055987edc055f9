"""What is seen counts more, and what is not still counts where anything of it is seen."""

import torch

from domains.metric import seen_metric

W = torch.randn(400, 6, generator=torch.Generator().manual_seed(0))


def test_of_linear_sight_it_is_the_fourth_root_of_the_product():
    sight = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    root = seen_metric(lambda w: w @ sight, W)
    slopes = sight / (W @ sight).std(dim=0)
    product = slopes @ slopes.T
    wanted = product / product.diagonal().mean()
    assert torch.allclose(torch.linalg.matrix_power(root, 4), wanted, rtol=1e-3, atol=1e-3)
    assert torch.equal(root, root.T) or torch.allclose(root, root.T, atol=1e-6)


def test_features_count_alike_whatever_their_scale_and_constant_ones_not_at_all():
    def see(w):
        return torch.stack([w[:, 0], 100 * w[:, 1], torch.full_like(w[:, 0], 3.0)], dim=1)

    lengths = seen_metric(see, W / W.std(dim=0)).norm(dim=0)
    assert torch.allclose(lengths[:2], torch.full((2,), 3**0.25), rtol=1e-2)
    assert lengths[2:].max() < 1e-2
