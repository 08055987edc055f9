"""Textures say how busy pictures are and not where, and their loss is the Fréchet distance of each number by itself; busyness says where,
and not what."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from domains.crowd import ENOUGH, LEAST, RIDGE
from domains.texture import PATCHES, Textures, busyness_loss, flatness_loss, patches, texture
from stylespace.grain import SLIGHT, slopes

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


def test_patches_are_the_picture_at_low_resolution():
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    cut = patches(images)
    numbers = texture([cut])
    assert torch.equal(cut[:, 64 + 3 * 8 + 5], images[:, 1, 12:16, 20:24]), "the second colour's patch in row 3, column 5"
    torch.testing.assert_close(numbers[:, : 3 * PATCHES**2], functional.avg_pool2d(images, 4).flatten(1))


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


def test_flatness_tells_a_ripple_where_deviations_hardly_do():
    """An outline on a flat ground, and on a rippled one."""
    flat = torch.zeros(1, 3, 64, 64)
    flat[..., 32:] = 1.0
    rippled = flat + 0.02 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    assert flatness_loss(flat, flat) == 0.0
    assert flatness_loss(rippled, flat) > 0.2
    across = [slopes(x)[:, :3].std(dim=(2, 3)) for x in (flat, rippled)]
    assert torch.allclose(*across, rtol=0.1)


def test_flatness_does_not_depend_on_where_it_is_flat():
    picture = torch.full((2, 3, 32, 32), 0.5)
    picture[:, :, 4:12] = torch.rand(2, 3, 8, 32, generator=torch.Generator().manual_seed(1))
    assert flatness_loss(picture.roll(12, dims=2), picture) < 1e-6
    assert flatness_loss(picture * 0.5, picture) > 0.1
