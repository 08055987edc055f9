"""A crowd's loss is the Fréchet distance, and its gradient that distance's."""

import numpy as np
import pytest
import scipy.linalg
import torch

from cddfm.evaluation.frechet import Gaussian, frechet_distance
from domains.crowd import ENOUGH, LEAST, RIDGE, Crowd, transport_between
from domains.optimisers import parameter_group, set_rates
from stylespace.schedule import rate_at

WIDTH = 5


def covariance(seed: int) -> torch.Tensor:
    root = torch.randn(WIDTH, WIDTH + 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return root @ root.T


def features(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread, shift = torch.randn(WIDTH, WIDTH, generator=generator), torch.randn(WIDTH, generator=generator)
    return torch.randn(count, WIDTH, generator=generator) @ spread + shift


@pytest.mark.parametrize("seed", range(5))
def test_the_transport_makes_one_covariance_the_other(seed):
    one, other = covariance(seed), covariance(seed + 100)
    transport = transport_between(one, other)
    assert torch.allclose(transport @ one @ transport, other, atol=1e-8)
    assert torch.allclose(transport, transport.T, atol=1e-9)
    root = np.real(scipy.linalg.sqrtm(one.numpy()))
    inverse = np.linalg.inv(root)
    assert np.allclose(transport, inverse @ np.real(scipy.linalg.sqrtm(root @ other.numpy() @ root)) @ inverse, atol=1e-8)


def followed(made: torch.Tensor, true: torch.Tensor) -> Crowd:
    crowd = Crowd(WIDTH)
    crowd.follow(made, true)
    return crowd


def test_the_loss_is_the_frechet_distance():
    made, true = features(20_000, 0), features(20_000, 1)
    one, other = Gaussian.of([made]), Gaussian.of([true])
    assert float(followed(made, true)(made)) == pytest.approx(frechet_distance(one, other) / other.variance, rel=10 * RIDGE + 1e-3)


def test_its_gradient_is_the_distances_own():
    """Against differences of the distance itself, as one point of the crowd moves."""
    made, true = features(ENOUGH, 0), features(ENOUGH, 1)
    leaf = made.clone().requires_grad_()
    (slope,) = torch.autograd.grad(followed(made, true)(leaf), leaf)
    other, moved = Gaussian.of([true]), made.double()
    for column in range(WIDTH):
        ends = []
        for step in (0.01, -0.01):
            moved[0, column] += step
            ends.append(frechet_distance(Gaussian.of([moved]), other) / other.variance)
            moved[0, column] -= step
        assert float(slope[0, column]) == pytest.approx((ends[0] - ends[1]) / 0.02, rel=0.02, abs=1e-6)


def test_too_few_pictures_are_no_crowd():
    made, true = features(LEAST, 0), features(LEAST, 1)
    crowd = followed(made, true)
    assert float(crowd(made)) == 0.0
    crowd.follow(made[:1], true[:1])
    assert float(crowd(made)) > 0.0


def test_who_descends_it_learns_mean_and_spread_from_small_batches():
    """At a rate that falls, as training's does: moving averages lag, and at a high one what follows them swings."""
    torch.manual_seed(0)
    scale, shift = torch.nn.Parameter(torch.full((WIDTH,), 0.5)), torch.nn.Parameter(torch.ones(WIDTH))
    optimizer, crowd = torch.optim.Adam([parameter_group([scale, shift], 5e-3)]), Crowd(WIDTH)
    steps = 2400
    for step in range(steps):
        set_rates(optimizer, rate_at(step, steps))
        true = torch.randn(16, WIDTH) * torch.arange(1, WIDTH + 1)
        made = true * scale + shift
        crowd.follow(made.detach(), true)
        if int(crowd.pictures) > LEAST:
            optimizer.zero_grad()
            crowd(made).backward()
            optimizer.step()
    assert torch.allclose(scale, torch.ones(WIDTH), atol=0.1)
    assert torch.allclose(shift, torch.zeros(WIDTH), atol=0.2)
