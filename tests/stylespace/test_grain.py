"""Grain says how much goes on where and in which direction, and not what lies where."""

import numpy as np
import pytest
import torch

from stylespace.grain import SLIGHT, busyness, grain_losses, slopes


def test_busyness_is_the_deviation_in_windows():
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    windows = torch.nn.functional.unfold(x, 4, stride=2).unflatten(1, (3, 16))
    torch.testing.assert_close(busyness(x, 8).flatten(2), (windows.var(dim=2, correction=0) + SLIGHT).sqrt())


def test_slopes_are_differences_in_four_directions():
    picture = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    right, below, beyond, aside = slopes(picture).chunk(4, dim=1)
    x = picture.numpy()
    assert np.array_equal(right, np.diff(x, axis=3)[:, :, :-1])
    assert np.array_equal(below, np.diff(x, axis=2)[:, :, :, :-1])
    assert np.allclose(beyond, np.diff(x, axis=2)[:, :, :, 1:] + np.diff(x, axis=3)[:, :, :-1], atol=1e-6)
    assert np.allclose(aside, np.diff(x, axis=3)[:, :, :-1] - np.diff(x, axis=2)[:, :, :, :-1], atol=1e-6)


def stripes(degrees: float, phase: float = 0.0, size: float = 0.3) -> torch.Tensor:
    """Strands of hair, combed in one direction."""
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    across = np.cos(np.radians(degrees)) * columns + np.sin(np.radians(degrees)) * rows
    return (size * (1.2 * across + phase).sin()).expand(1, 3, 128, 128)


@pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0, 90.0, 120.0])
def test_grain_is_a_matter_of_direction_and_not_of_place(degrees):
    combed = stripes(degrees)
    assert float(grain_losses(combed, combed)) == 0.0
    assert float(grain_losses(stripes(degrees, phase=2.0), combed)) < 0.1
    assert float(grain_losses(stripes(degrees + 90), combed)) > 0.6
    assert float(grain_losses(torch.zeros_like(combed), combed)) > 0.9


def test_an_even_slope_is_no_grain():
    """As light that falls off over a cheek."""
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    torch.testing.assert_close(busyness(slopes(ramp), 8), torch.full((1, 12, 14, 14), SLIGHT**0.5), atol=1e-4, rtol=0.0)


def test_who_lacks_grain_is_told_to_have_more():
    leaf = stripes(30.0, phase=1.0, size=0.1).clone().requires_grad_()
    (slope,) = torch.autograd.grad(grain_losses(leaf, stripes(30.0)).sum(), leaf)
    assert float((slope * leaf.detach()).sum()) < 0


def test_every_picture_is_compared_by_itself():
    made, true = torch.cat([stripes(0.0), stripes(30.0)]), torch.cat([stripes(90.0), stripes(45.0)])
    alone = [grain_losses(one[None], other[None]) for one, other in zip(made, true, strict=True)]
    torch.testing.assert_close(grain_losses(made, true), torch.cat(alone))
