"""The mapping network says what codes tell, and its noise the rest."""

import pytest
import torch

from domains.codes import code_rotation, latent_of
from domains.mapping import MappingFit, open_noise
from stylespace.generator import Generator

COUNT, CODE, W = 2000, 24, 16


@pytest.fixture(scope="module")
def pictures():
    """Codes, and w that they decide but for three directions of unequal size."""
    randomness = torch.Generator().manual_seed(3)
    codes, hidden = torch.randn(COUNT, CODE + 3, generator=randomness).split([CODE, 3], dim=1)
    known, unknown = torch.randn(CODE, W, generator=randomness) / CODE**0.5, torch.linalg.qr(torch.randn(W, 3, generator=randomness))[0].T
    return codes, hidden, (codes @ known).tanh() + (hidden * torch.tensor([1.5, 1.0, 0.5])) @ unknown


def make_generator(z_dim=CODE + 4):
    torch.manual_seed(0)
    return Generator(resolution=16, z_dim=z_dim, w_dim=W, channel_base=128, channel_max=16, mapping_layers=2, mapping_width=128)


def fitted(generator, codes, noise, w, steps=1200):
    stage = MappingFit(generator, codes, noise, w, batch=64, total_images=64 * steps)
    return [float(stage.step(64 * k, torch.Generator().manual_seed(k))["mapping"]) for k in range(steps)]


def spread(w):
    return float(w.detach().var(dim=0).sum())


def test_noise_holds_what_codes_leave_open(pictures):
    codes, hidden, w = pictures
    generator = make_generator()
    before = fitted(generator, codes, torch.zeros(COUNT, 4), w)
    assert before[-1] < 0.7 * before[0]
    noise, share = open_noise(generator, codes, w)
    assert share > 0.8
    assert noise.mean(dim=0).abs().max() < 1e-4
    assert torch.allclose(noise.T.cov(), torch.eye(4), atol=1e-2)
    for k in range(3):  # the hidden numbers come back in order of their size
        assert torch.corrcoef(torch.stack([noise[:, k], hidden[:, k]]))[0, 1].abs() > 0.8, k
    assert fitted(generator, codes, noise, w)[-1] < 0.3 * before[-1]


def test_samples_vary_as_much_as_pictures_do(pictures):
    codes, _, w = pictures
    generator = make_generator()
    fitted(generator, codes, torch.zeros(COUNT, 4), w)
    z = torch.randn(1000, generator.z_dim, generator=torch.Generator().manual_seed(5))
    hazy = spread(generator.map(z)) / spread(w)
    noise, _ = open_noise(generator, codes, w)
    fitted(generator, codes, noise, w)
    ratio = spread(generator.map(z)) / spread(w)
    assert 0.85 < ratio < 1.15
    assert abs(1 - ratio) < abs(1 - hazy)


def test_there_may_be_no_room_or_more_than_is_needed(pictures):
    codes, _, w = pictures
    noise, share = open_noise(make_generator(z_dim=CODE), codes, w)
    assert noise.shape == (COUNT, 0)
    assert share == 0.0
    few, _ = open_noise(make_generator(z_dim=CODE + 20), codes[:8], w[:8])
    assert few.shape == (8, 20)
    assert few[:, 7:].count_nonzero() == 0
    assert few.isfinite().all()


def test_the_z_of_a_picture_is_its_code_and_its_noise(pictures):
    codes, _, w = pictures
    noise = torch.zeros(COUNT, 4)
    stage = MappingFit(make_generator(), codes, noise, w, batch=8, total_images=8)
    assert torch.equal(stage.z, latent_of(codes, noise, code_rotation(CODE + 4)))
