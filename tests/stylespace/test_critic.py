import math

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from stylespace.critic import PatchCritic, critic_loss, fooling_loss


def textures(count: int) -> torch.Tensor:
    return interpolate(torch.randn(count, 3, 16, 16).tanh(), scale_factor=2.0)


def blurred(images: torch.Tensor) -> torch.Tensor:
    return interpolate(avg_pool2d(images, 4), scale_factor=4.0)


def test_one_score_for_every_eighth_pixel():
    assert PatchCritic(width=8)(torch.zeros(2, 3, 64, 128)).shape == (2, 1, 8, 16)


def test_a_score_is_about_60_pixels_a_side():
    torch.manual_seed(0)
    images = torch.randn(1, 3, 128, 128).requires_grad_()
    (slope,) = torch.autograd.grad(PatchCritic(width=8)(images)[0, 0, 8, 8], images)
    rows, columns = slope.abs().sum(dim=(0, 1)).nonzero().T
    assert (int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1) == (60, 60)


def test_what_is_finer_than_two_pixels_is_not_its_business():
    torch.manual_seed(0)
    critic, images, fine = PatchCritic(width=8).eval(), torch.randn(1, 3, 64, 64), torch.ones(64, 64)
    fine[1::2] *= -1
    assert torch.allclose(critic(images + 0.1 * fine), critic(images), atol=1e-4)
    assert not torch.allclose(critic(images + 0.1), critic(images), atol=1e-2)


def test_losses_at_known_scores():
    true, made = torch.full((2, 1, 4, 4), 3.0), torch.full((2, 1, 4, 4), 1.0)
    assert float(critic_loss(true, made)) == pytest.approx(math.log(1 + math.exp(-2)))
    assert float(fooling_loss(true, made)) == pytest.approx(math.log(1 + math.exp(2)))
    assert float(critic_loss(true, true)) == pytest.approx(math.log(2))


def test_it_learns_to_tell_blurred_pictures_from_sharp_ones_and_stays_gentle():
    torch.manual_seed(0)
    critic = PatchCritic(width=8)
    optimizer = torch.optim.Adam(critic.parameters(), lr=5e-3)
    for _ in range(60):
        images = textures(8)
        loss = critic_loss(critic(images), critic(blurred(images)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    new = textures(16)
    assert (critic(new) > critic(blurred(new))).float().mean() > 0.95
    kernels = [layer.weight.detach().flatten(1) for layer in critic.layers if hasattr(layer, "weight")]
    assert max(float(torch.linalg.matrix_norm(kernel, ord=2)) for kernel in kernels) < 1.1  # spectral normalisation
