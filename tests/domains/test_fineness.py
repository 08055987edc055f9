"""Noise is measured out so that pictures are as fine as they are to be, and nothing else changes."""

import pytest
import torch

from domains.fineness import MOST, as_fine_as, fineness, with_noise
from stylespace.generator import Generator


@pytest.fixture
def generator():
    """Its noise is about as strong as what else is fine in its pictures."""
    torch.manual_seed(0)
    made = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith(".noise_strength"):
                parameter.fill_(0.3)
    return made


def styles_of(generator):
    return generator.styles(generator.broadcast(generator.map(torch.randn(40, 8, generator=torch.Generator().manual_seed(1)))))


def fine(generator):
    with torch.no_grad():
        return fineness(generator.synthesise(styles_of(generator)))


def test_fineness_is_what_means_of_four_leave():
    steps = torch.arange(16)
    board = ((steps[:, None] + steps) % 2 * 2.0 - 1).expand(2, 3, 16, 16)
    assert fineness(board) == 1.0
    assert fineness(board.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)) == 0.0
    assert fineness(0.5 * board + 0.25) == pytest.approx(0.25)


@pytest.mark.parametrize("times", [0.5, 0.8, 1.5, 2.5])
def test_the_factor_is_found_by_which_pictures_are_as_fine(generator, times):
    wanted = fine(with_noise(generator, times))
    found, factor = as_fine_as(wanted, generator, styles_of(generator))
    assert factor == pytest.approx(times, rel=0.03)
    assert fine(found) == pytest.approx(wanted, rel=0.02)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, generator.state_dict()[name] * (factor if name.endswith(".noise_strength") else 1)), name


def test_what_noise_cannot_do_is_not_asked_of_it(generator):
    assert as_fine_as(0.0, generator, styles_of(generator))[1] == 0.0
    assert as_fine_as(1e6, generator, styles_of(generator))[1] == MOST
    silent, factor = as_fine_as(1.0, with_noise(generator, 0.0), styles_of(generator))
    assert factor == 1.0 and fine(silent) == fine(with_noise(generator, 0.0))
