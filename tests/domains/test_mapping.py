"""The mapping network says what codes tell, and its noise the rest."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domains.codes import code_rotation, latent_of
from domains.mapping import MappingFit, energy_score, mean_error
from stylespace.generator import Generator

COUNT, CODE, SPARE, W = 4000, 24, 4, 16
ROTATION = code_rotation(CODE + SPARE)


def make_pictures(seed):
    """Codes, and w that they decide but for one direction, in which it lies on either of two sides."""
    randomness = torch.Generator().manual_seed(3)
    known = torch.randn(CODE, W, generator=randomness) / CODE**0.5
    unknown = 0.5 * torch.randn(W, generator=randomness)
    codes = torch.randn(COUNT, CODE, generator=torch.Generator().manual_seed(seed))
    side = torch.rand(COUNT, 1, generator=torch.Generator().manual_seed(seed + 1)).round() * 2 - 1
    return codes, (codes @ known).tanh(), side * unknown


def make_generator(spare=SPARE):
    torch.manual_seed(0)
    return Generator(resolution=16, z_dim=CODE + spare, w_dim=W, channel_base=128, channel_max=16, mapping_layers=3, mapping_width=48)


def fitted(generator, codes, w, steps):
    fit = MappingFit(generator, codes, w, batch=128, total_images=128 * steps)
    reports = [fit.step(128 * k, torch.Generator().manual_seed(k)) for k in range(steps)]
    return generator.requires_grad_(False), reports


@pytest.fixture(scope="module")
def learned():
    codes, told, hidden = make_pictures(3)
    return fitted(make_generator(), codes, told + hidden, 1000)


def drawn(generator, codes, seed):
    noise = torch.randn(len(codes), SPARE, generator=torch.Generator().manual_seed(seed))
    return generator.map(latent_of(codes, noise, ROTATION))


def test_codes_decide_the_mean_of_new_pictures(learned):
    generator, reports = learned
    codes, told, hidden = make_pictures(11)
    mean = torch.stack([drawn(generator, codes, seed) for seed in range(40)]).mean(dim=0)
    assert (mean - told).square().mean() < 0.2 * told.var(dim=0).mean()
    share = 1 - float(hidden.var(dim=0).sum() / (told + hidden).var(dim=0).sum())
    assert float(reports[-1]["told"]) == pytest.approx(share, abs=0.1)


def test_noise_decides_the_rest_as_pictures_have_it(learned):
    """As far to either side, and to both as often."""
    generator, _ = learned
    codes, told, hidden = make_pictures(11)
    axis = hidden[0] / hidden[0].norm()
    mean = torch.stack([drawn(generator, codes, seed) for seed in range(40)]).mean(dim=0)
    along = (drawn(generator, codes, 50) - mean) @ axis / hidden[0].norm()
    assert along.std() == pytest.approx(1.0, abs=0.2)
    assert (along > 0).float().mean() == pytest.approx(0.5, abs=0.1)


def test_the_same_noise_stays_the_same_side(learned):
    generator, _ = learned
    codes, told, hidden = make_pictures(11)
    sides = [((drawn(generator, some, 5) - mean) @ hidden[0]).sign() for some, mean in ((codes, told), (codes.roll(1, 0), told.roll(1, 0)))]
    assert (sides[0] == sides[1]).float().mean() > 0.8


def test_pictures_of_codes_stay_what_they_are(learned):
    before = make_generator().state_dict()
    after = learned[0].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("mapping.fc"))
    assert not any(torch.equal(before[name], after[name]) for name in before if name.startswith("mapping.fc"))


def test_a_code_that_fills_z_is_enough():
    codes, told, _ = make_pictures(3)
    generator, reports = fitted(make_generator(spare=0), codes, told, 100)
    assert float(reports[-1]["told"]) > 0.5 > float(reports[0]["told"])
    assert generator.map(torch.randn(3, CODE)).isfinite().all()


@given(st.floats(-2, 2), st.floats(-1, 1))
def test_the_score_is_lowest_for_the_true_distribution(shift, stretch):
    randomness = torch.Generator().manual_seed(1)
    truth, one, other = torch.randn(3, 20_000, 3, generator=randomness)
    scale = 2**stretch
    own, wrong = energy_score(one, other, truth), energy_score(one * scale + shift, other * scale + shift, truth)
    assert own <= wrong + 0.01
    if abs(shift) > 0.5 or abs(stretch) > 0.5:
        assert own < wrong - 0.01


def test_the_mean_error_leaves_the_noise_out():
    one, other, w = torch.randn(3, 50_000, 4, generator=torch.Generator().manual_seed(2))
    found = mean_error(one + 1.0, other + 1.0, 0.0 * w)
    assert float(found) == pytest.approx(4.0, abs=0.1)
