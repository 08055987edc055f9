import math

import pytest
import torch
from torch import nn

from stylespace.discriminator import Discriminator
from stylespace.objectives import (
    change_left,
    discriminator_loss,
    ema_update,
    feature_loss,
    generator_loss,
    picture_loss,
    picture_losses,
    r1_penalty,
)


def test_logistic_losses_at_known_scores():
    zero = torch.zeros(4)
    assert float(generator_loss(zero)) == pytest.approx(math.log(2))
    assert float(discriminator_loss(zero, zero)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(zero + 20)) < 1e-6
    assert float(discriminator_loss(zero + 20, zero - 20)) < 1e-6


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    weight = torch.randn(3, 8, 8)
    penalty = r1_penalty(lambda images: (images * weight).sum(dim=(1, 2, 3)), torch.randn(2, 3, 8, 8), gamma=4.0)
    assert float(penalty) == pytest.approx(float(2.0 * weight.square().sum()), rel=1e-5)


def test_r1_reaches_every_weight_that_matters():
    torch.manual_seed(0)
    network = Discriminator(8, channel_base=64, channel_max=8)
    r1_penalty(network, torch.randn(4, 3, 8, 8), 1.0).backward()
    assert network.blocks[0].conv0.weight.grad.abs().max() > 0


def test_picture_loss_is_zero_only_for_equal_pictures_and_sees_blur():
    picture = torch.rand(2, 3, 32, 32) * 2 - 1
    assert float(picture_loss(picture, picture)) == 0.0
    grey = picture.mean(dim=(2, 3), keepdim=True).expand_as(picture)
    assert float(picture_loss(grey, picture)) > float(picture_loss(grey, picture, edges=0.0)) > 0
    each = picture_losses(grey, picture)
    assert each.shape == (2,)
    assert float(each.mean()) == pytest.approx(float(picture_loss(grey, picture)))


def test_picture_loss_grows_with_displacement():
    """What a plain L1 does not do once features no longer overlap."""
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, :, 28:36, 10:18] = 1.0
    losses = [float(picture_loss(picture.roll(shift, 3), picture)) for shift in (2, 4, 8, 16)]
    assert losses == sorted(losses)


def test_feature_loss_is_relative_to_what_is_wanted():
    wanted = [torch.full((2, 3, 4, 4), 2.0), torch.full((2, 5), -10.0)]
    assert float(feature_loss(wanted, wanted)) == 0.0
    assert float(feature_loss([level * 1.5 for level in wanted], wanted)) == pytest.approx(0.5)
    assert float(feature_loss([wanted[0], wanted[1] * 0], wanted)) == pytest.approx(0.5)


def test_moving_average():
    target, source = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        source.weight.fill_(3.0)
        source.running_mean.fill_(7.0)
    ema_update(target, source, 0.75)
    assert torch.equal(target.weight, torch.full((3,), 1.5))
    assert torch.equal(target.running_mean, source.running_mean)
    ema_update(target, source, 0.0)
    assert torch.equal(target.weight, source.weight)


def test_what_is_left_of_changes():
    """Nothing of the changes themselves, whatever both of a pair have wrong alike; all where nothing changes, of large and small alike."""
    before, wrong = torch.randn(2, 2, 3, 16, 16)
    change = torch.randn(2, 3, 16, 16) * torch.tensor([1.0, 0.1])[:, None, None, None]
    wanted = torch.cat([before, before + change])
    assert float(change_left(wanted + torch.cat([wrong, wrong]), wanted)) < 1e-6
    assert float(change_left(torch.cat([wrong, wrong]), wanted)) == pytest.approx(1.0, rel=1e-4)
    half = torch.cat([before, before + change / 2])
    assert float(change_left(half, wanted)) == pytest.approx(0.25, rel=1e-4)


def test_small_changes_count_as_large_ones_do():
    before = torch.randn(2, 3, 16, 16)
    change = torch.randn(2, 3, 16, 16) * torch.tensor([1.0, 0.5])[:, None, None, None]
    wanted = torch.cat([before, before + change])
    kept = torch.eye(2)[..., None, None, None]
    without = [change_left(torch.cat([before, before + change * one]), wanted) for one in kept]
    assert float(without[0]) == pytest.approx(float(without[1]), rel=0.35)


def test_where_nothing_was_to_change_nothing_is_left():
    still = torch.randn(2, 3, 16, 16).repeat(2, 1, 1, 1)
    assert float(change_left(torch.randn(4, 3, 16, 16), still)) == 0.0
