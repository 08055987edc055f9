"""The mapping network says what codes tell, and its noise the rest."""

import pytest
import torch

from domains.codes import code_rotation, latent_of
from domains.mapping import MeanFit, before_activation, open_spread, with_noise
from stylespace.generator import Generator

COUNT, CODE, SPARE, W = 2000, 24, 4, 16
ROTATION = code_rotation(CODE + SPARE)


@pytest.fixture(scope="module")
def pictures():
    """Codes, and w that they decide but for three directions of unequal size."""
    randomness = torch.Generator().manual_seed(3)
    codes, hidden = torch.randn(COUNT, CODE + 3, generator=randomness).split([CODE, 3], dim=1)
    known = torch.randn(CODE, W, generator=randomness) / CODE**0.5
    unknown = torch.linalg.qr(torch.randn(W, 3, generator=randomness))[0].T
    return codes, (codes @ known).tanh() + (hidden * torch.tensor([1.5, 1.0, 0.5])) @ unknown


def make_generator(layers=3, spare=SPARE):
    torch.manual_seed(0)
    return Generator(resolution=16, z_dim=CODE + spare, w_dim=W, channel_base=128, channel_max=16, mapping_layers=layers)


@pytest.fixture(scope="module")
def mean(pictures):
    generator = make_generator()
    fit = MeanFit(generator, *pictures, batch=64, total_images=64 * 300)
    losses = [float(fit.step(64 * k, torch.Generator().manual_seed(k))["mapping"]) for k in range(300)]
    assert losses[-1] < 0.7 * losses[0]
    return generator.requires_grad_(False)


def latents(noise=None, count=3000):
    code, drawn = torch.randn(count, CODE + SPARE, generator=torch.Generator().manual_seed(5)).split([CODE, SPARE], dim=1)
    return latent_of(code, drawn if noise is None else noise, ROTATION)


def total(w):
    return float(w.var(dim=0).sum())


def test_before_the_activation(mean):
    expected = torch.nn.functional.leaky_relu(before_activation(mean.mapping, latents()), 0.2) * 2**0.5
    assert torch.allclose(expected, mean.map(latents()), atol=1e-5)


def test_noise_adds_the_spread_to_the_mean(pictures, mean):
    generator, _ = with_noise(mean, *pictures)
    spread, _ = open_spread(mean, *pictures)
    noise = torch.randn(3000, SPARE, generator=torch.Generator().manual_seed(6))
    z = latents(noise)
    length = z.square().mean(dim=1, keepdim=True).sqrt()
    codes = (z @ ROTATION)[:, :CODE]
    as_long = codes / length * ((CODE + SPARE) / CODE) ** 0.5
    hidden = latent_of(as_long, torch.zeros_like(noise), ROTATION)
    without = _before_unnormalised(mean.mapping, hidden)
    assert torch.allclose(before_activation(generator.mapping, z), without + (noise / length) @ spread.T, atol=1e-3)


def _before_unnormalised(mapping, x):
    for layer in (mapping.fc0, mapping.fc1):
        x = layer(x)
    return x @ (mapping.fc2.weight * mapping.fc2.gain).T + mapping.fc2.bias * mapping.fc2.rate


def test_noise_gives_back_the_variety_that_the_mean_lacks(pictures, mean):
    generator, share = with_noise(mean, *pictures)
    _, w = pictures
    assert 0.5 < share < 1.0
    assert total(mean.map(latents())) < 0.7 * total(w)
    assert 0.8 < total(generator.map(latents())) / total(w) < 1.1


def test_pictures_of_codes_stay_what_they_are(pictures, mean):
    generator, _ = with_noise(mean, *pictures)
    s = torch.randn(2, generator.style_layout.style_dim, generator=torch.Generator().manual_seed(7))
    assert torch.equal(generator.synthesise(s), mean.synthesise(s))
    w_plus = torch.randn(2, generator.num_ws, W)
    assert torch.equal(generator.styles(w_plus), mean.styles(w_plus))
    assert torch.equal(generator.w_avg, mean.w_avg)


def test_there_may_be_no_room_or_more_than_is_needed(pictures):
    for spare, expected in ((0, 0.0), (20, 1.0)):
        generator, share = with_noise(make_generator(spare=spare), *pictures)
        assert share == pytest.approx(expected)
        assert generator.map(torch.randn(3, CODE + spare)).isfinite().all()


def test_two_layers_are_enough_and_one_is_not(pictures):
    generator, _ = with_noise(make_generator(layers=2), *pictures)
    assert generator.map(latents(count=3)).isfinite().all()
    with pytest.raises(ValueError, match="mapping of 1 layer"):
        with_noise(make_generator(layers=1), *pictures)
