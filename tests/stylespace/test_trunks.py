"""Trunks: what they give, and how pictures come to a network's resolution."""

import pytest
import torch

from stylespace.trunks import TRUNKS, build_trunk, fitted


@pytest.mark.parametrize("architecture", TRUNKS)
@pytest.mark.parametrize("resolution", [8, 32])
def test_a_trunk_gives_as_many_numbers_as_it_says(architecture, resolution):
    trunk, numbers = build_trunk(architecture, resolution, 8)
    assert trunk(torch.zeros(2, 3, resolution, resolution)).flatten(1).shape == (2, numbers)


def test_large_pictures_are_averaged_and_fitting_ones_left_alone():
    checks = (torch.arange(64) % 2 * 2.0 - 1).expand(1, 3, 64, 64)
    assert fitted(checks, 8).abs().max() < 0.1
    images = torch.randn(1, 3, 8, 8)
    assert torch.equal(fitted(images, 8), images)
