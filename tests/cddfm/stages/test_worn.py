"""A head on grids that learned something else finds what is plain to see in them."""

import pytest
import torch

from cddfm.data import Pool
from cddfm.reconstruct import Reconstructor
from cddfm.stages.worn import DECAYS, fit_worn, seen_grids
from tests.cddfm.standins import SIZES

COUNT = 240


def bright_corners(seed):
    """Noise in which the upper left corner of a third of the pictures, and the upper right of another, is bright, by half or wholly."""
    randomness = torch.Generator().manual_seed(seed)
    images = torch.randint(90, 130, (COUNT, 3, 16, 16), generator=randomness)
    share = torch.randint(1, 3, (COUNT,), generator=randomness) / 2
    worn = torch.zeros(COUNT, 2)
    for row, kind in enumerate(torch.randint(3, (COUNT,), generator=randomness).tolist()):
        if kind < 2:
            images[row, kind, :4, :] += int(120 * share[row])
            worn[row, kind] = share[row]
    return Pool(images.byte(), torch.zeros(COUNT, 2), torch.zeros(COUNT, 3)), worn


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    network = Reconstructor("residual", 16, SIZES, width=8, hidden=16, wear=[[], []]).eval().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = fit_worn(network, *seen_grids(network, *bright_corners(1), seed=0))
    return network, before, found


def test_it_says_of_new_pictures_what_is_worn(fitted):
    network, _, found = fitted
    pool, worn = bright_corners(2)
    read = network.facts(pool.take(torch.arange(COUNT))[0])[:, -2:]
    explained = 1 - (read - worn).square().mean(dim=0) / worn.var(dim=0)
    assert float(explained.min()) > 0.6
    assert found.decay in DECAYS and min(found.explained) > 0.4


def test_only_the_head_has_learned(fitted):
    network, before, _ = fitted
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"worn.out.weight", "worn.out.bias"}


def test_pictures_are_seen_as_they_are_and_altered():
    torch.manual_seed(0)
    network = Reconstructor("residual", 16, SIZES, width=8, hidden=16, wear=[[], []]).eval().requires_grad_(False)
    pool, worn = bright_corners(1)
    grids, both = seen_grids(network, pool, worn[:70], seed=0)
    grid, close_grid, _ = network.grids(pool.take(torch.arange(70))[0])
    plain, altered = grids.chunk(2)
    torch.testing.assert_close(plain.float(), torch.cat([grid.flatten(1), close_grid.flatten(1)], dim=1), atol=2e-2, rtol=1e-2)
    assert (plain - altered).abs().mean() > 1e-2
    assert torch.equal(both, worn[:70].repeat(2, 1))
    assert torch.equal(grids, seen_grids(network, pool, worn[:70], seed=0)[0])
