import pytest
import torch

from stylespace.critic import FeatureCritic, critic_loss, fooling_loss


def maps(count: int, shift: float = 0.0) -> list[torch.Tensor]:
    return [torch.randn(count, 6, 8, 8) * 5 + shift, torch.randn(count, 4, 4, 4)]


def test_one_score_per_place_and_level():
    torch.manual_seed(0)
    critic = FeatureCritic([6, 4], width=8)
    assert [scores.shape for scores in critic(maps(3))] == [(3, 64), (3, 16)]


def test_losses_at_known_scores():
    real, fake = [torch.full((2, 9), 3.0), torch.full((2, 4), 0.5)], [torch.full((2, 9), -1.0), torch.full((2, 4), 0.0)]
    assert float(critic_loss(real, fake)) == pytest.approx(((0 + 0) + (0.5 + 1.0)) / 2)
    assert float(fooling_loss(fake)) == pytest.approx(0.5)


def test_features_have_mean_square_one_after_the_fit():
    torch.manual_seed(0)
    critic = FeatureCritic([6, 4], width=8)
    real = maps(50)
    critic.fit(real)
    sizes = [float((level / scale).square().mean()) for level, scale in zip(real, critic.scales, strict=True)]
    assert sizes == pytest.approx([1.0, 1.0], abs=1e-4)


def test_it_learns_to_tell_pictures_apart_and_stays_gentle():
    torch.manual_seed(0)
    critic = FeatureCritic([6, 4], width=16)
    critic.fit(maps(50))
    optimizer = torch.optim.Adam(critic.parameters(), lr=5e-3)
    for _ in range(200):
        loss = critic_loss(critic(maps(8)), critic(maps(8, shift=5.0)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1.7  # 2 knows nothing; a shift of unit length is worth 1 to one of the two levels
    x = maps(4)[0].requires_grad_()
    (slope,) = torch.autograd.grad(critic([x, maps(4)[1]])[0].sum(), x)
    assert (slope.norm(dim=1).max() * critic.scales[0]).item() < 1.2  # spectral normalisation
