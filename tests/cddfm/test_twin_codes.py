"""A twin's scene code, or its light, differs from the portrait's in one thing, which its seed decides; half of all have theirs carried."""

import pytest
import torch

from cddfm.data import TWIN_KINDS, light_is_carried, training_codes, twin_codes, twin_kind, twin_params
from cddfm.lighting import dominant
from cddfm.params import ATTRIBUTES
from cddfm.world.codes import split
from cddfm.worlds import ProceduralWorld

WORLD = ProceduralWorld()


def changed(seed):
    before, after = split(training_codes([seed])), split(twin_codes([seed]))
    return {name for name in before if not torch.equal(before[name], after[name])}


def both(seeds):
    """Parameters of portraits and of their twins."""
    before = WORLD.params(training_codes(seeds))
    return before, twin_params(seeds, before, WORLD.params(twin_codes(seeds)))


@pytest.mark.parametrize("seed", [*range(4 * len(TWIN_KINDS)), 12_345])
def test_one_thing_changes(seed):
    assert changed(seed) == ({twin_kind(seed)} - ({"light"} if light_is_carried(seed) else set()))


@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_parameters_change_where_codes_say(kind):
    seeds = [seed for seed in range(80) if twin_kind(seed) == kind]
    before, after = both(seeds)
    for name in ATTRIBUTES:
        differs = (getattr(before, name) != getattr(after, name)).any(dim=1)
        if name == "light":
            assert differs.tolist() == [kind == "light" or light_is_carried(seed) for seed in seeds]
        else:
            assert differs.all() if name == kind else not differs.any()


def test_lights_are_carried_further_than_the_worlds_own():
    seeds = [seed for seed in range(2000) if light_is_carried(seed)]
    assert 0.5 < len(seeds) / 2000 < 0.6
    before, after = both(seeds)
    spread = [dominant(params.light)[0].std() for params in (before, after)]
    assert spread[1] > 1.5 * spread[0]


def test_twins_do_not_hang_on_their_neighbours():
    seeds = [5, 19]
    together, alone = both(seeds)[1], both([19])[1]
    assert torch.equal(twin_codes(seeds)[1:], twin_codes([19]))
    assert torch.equal(together.flatten()[1:], alone.flatten())
