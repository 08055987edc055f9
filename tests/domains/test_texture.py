"""Textures say how busy pictures are and not where, and their loss is the Fréchet distance of each number by itself; busyness says where,
and not what; grain says in which direction."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domains.crowd import ENOUGH, LEAST, RIDGE
from domains.texture import SLIGHT, Textures, busyness, busyness_loss, grain_loss, slopes, texture

CHANNELS = [2, 3]
SIDES = (8, 4)


def maps(count: int, seed: int, size: float = 1.0, shift: float = 0.0) -> list[torch.Tensor]:
    """Noise that is stronger in some pictures than in others."""
    generator = torch.Generator().manual_seed(seed)
    strength = size * (0.5 + torch.rand(count, 1, 1, 1, generator=generator))
    return [
        strength * torch.randn(count, channels, side, side, generator=generator) + shift
        for channels, side in zip(CHANNELS, SIDES, strict=True)
    ]


def followed(made: list[torch.Tensor], true: list[torch.Tensor]) -> Textures:
    textures = Textures(CHANNELS)
    textures.follow(made, true)
    return textures


def test_they_are_means_and_deviations_of_channels():
    parts = [part for x in maps(3, 0) for part in (x.numpy().mean(axis=(2, 3)), np.sqrt(x.numpy().var(axis=(2, 3)) + SLIGHT))]
    assert np.allclose(texture(maps(3, 0)), np.concatenate(parts, axis=1), atol=1e-6)


@given(st.integers(-7, 7), st.integers(-7, 7), st.integers(0, 99))
def test_where_something_is_does_not_count(down, right, seed):
    here = maps(2, seed)
    there = [x.roll((down, right), dims=(2, 3)) for x in here]
    torch.testing.assert_close(texture(there), texture(here), atol=1e-5, rtol=1e-5)


def test_the_loss_is_the_frechet_distance_of_each_number():
    """Between normal distributions of one number it is (μ₁ − μ₂)² + (σ₁ − σ₂)²."""
    made, true = maps(ENOUGH, 0, size=0.5, shift=0.2), maps(ENOUGH, 1)
    levels = []
    for one, other in zip(made, true, strict=True):
        a, b = (texture([x]).double() for x in (one, other))
        distance = (a.mean(dim=0) - b.mean(dim=0)).square() + (a.std(dim=0, correction=0) - b.std(dim=0, correction=0)).square()
        levels.append(float(distance.sum() / b.var(dim=0, correction=0).sum()))
    assert float(followed(made, true)(made)) == pytest.approx(sum(levels) / 2, rel=10 * RIDGE + 1e-3)


def test_equal_textures_are_no_distance_wherever_they_are():
    made, true = maps(ENOUGH, 0), maps(ENOUGH, 0)
    assert float(followed([x.flip(3) for x in made], true)(made)) < 1e-6


def test_too_few_pictures_say_nothing():
    made, true = maps(LEAST, 0, size=0.5), maps(LEAST, 1)
    textures = followed(made, true)
    assert float(textures(made)) == 0.0
    textures.follow([x[:1] for x in made], [x[:1] for x in true])
    assert float(textures(made)) > 0.0


def test_who_is_too_smooth_is_made_busier():
    made, true = maps(ENOUGH, 0, size=0.5), maps(ENOUGH, 1)
    leaves = [x.requires_grad_() for x in made]
    followed([x.detach() for x in made], true)(leaves).backward()
    assert all(float((x.grad * x.detach()).sum()) < 0 for x in leaves)


def test_what_never_varies_is_no_division_by_nothing():
    flat = [torch.zeros(ENOUGH, channels, 4, 4) for channels in CHANNELS]
    leaves = [x.clone().requires_grad_() for x in flat]
    textures = followed(flat, maps(ENOUGH, 1))
    textures(leaves).backward()
    assert all(torch.isfinite(x.grad).all() for x in leaves)


def test_busyness_is_the_deviation_in_windows():
    x = maps(2, 0)[0].repeat(1, 1, 4, 4)
    windows = torch.nn.functional.unfold(x, 4, stride=2).unflatten(1, (CHANNELS[0], 16))
    torch.testing.assert_close(busyness(x).flatten(2), (windows.var(dim=2, correction=0) + SLIGHT).sqrt())


def test_the_same_noise_elsewhere_in_its_window_is_as_busy():
    """As if a strand lay beside its place: another picture, but as much of it."""
    noise = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    hair = torch.zeros_like(noise)
    hair[..., :32, :] = noise[..., :32, :]
    beside = hair.clone()
    beside[..., :32, :] = noise[..., :32, :].roll(1, dims=3)
    smooth, moved = torch.zeros_like(hair), hair.flip(2)
    assert float(busyness_loss([hair], [hair])) == 0.0
    assert float(busyness_loss([beside], [hair])) < 0.1
    assert float(busyness_loss([smooth], [hair])) > 0.9
    assert float(busyness_loss([moved], [hair])) > 1.5, "what is busy elsewhere is worse than what is smooth"


def test_coarse_maps_say_nothing_of_strands():
    fine, coarse = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 8, 8)
    other = fine.roll(5, dims=3) * 0.5
    assert float(busyness_loss([other, coarse], [fine, coarse.roll(3, dims=3)])) == float(busyness_loss([other], [fine]))


def test_who_is_smooth_where_it_should_be_busy_is_told_to_be_busier():
    generator = torch.Generator().manual_seed(1)
    true = torch.randn(2, 3, 32, 32, generator=generator)
    leaf = (0.3 * torch.randn(2, 3, 32, 32, generator=generator)).requires_grad_()
    (slope,) = torch.autograd.grad(busyness_loss([leaf], [true]), leaf)
    assert float((slope * leaf.detach()).sum()) < 0


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
    assert float(grain_loss(combed, combed)) == 0.0
    assert float(grain_loss(stripes(degrees, phase=2.0), combed)) < 0.1
    assert float(grain_loss(stripes(degrees + 90), combed)) > 0.6
    assert float(grain_loss(torch.zeros_like(combed), combed)) > 0.9


def test_an_even_slope_is_no_grain():
    """As light that falls off over a cheek."""
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    torch.testing.assert_close(busyness(slopes(ramp)), torch.full((1, 12, 14, 14), SLIGHT**0.5), atol=1e-4, rtol=0.0)


def test_who_lacks_grain_is_told_to_have_more():
    leaf = stripes(30.0, phase=1.0, size=0.1).clone().requires_grad_()
    (slope,) = torch.autograd.grad(grain_loss(leaf, stripes(30.0)), leaf)
    assert float((slope * leaf.detach()).sum()) < 0
