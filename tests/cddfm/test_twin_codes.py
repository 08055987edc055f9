"""A twin's scene code differs from the portrait's in one thing, which its seed decides."""

import pytest
import torch

from cddfm.data import TWIN_BLOCK, training_codes, twin_codes
from cddfm.world.codes import split


def changed(seed):
    before, after = split(training_codes([seed])), split(twin_codes([seed]))
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    ("seed", "part"),
    [
        (0, "expression"), (2, "expression"), (3, "light"), (TWIN_BLOCK - 1, "light"),
        (TWIN_BLOCK, "albedo"), (TWIN_BLOCK + 1, "identity"), (2 * TWIN_BLOCK - 1, "identity"), (2 * TWIN_BLOCK, "gaze"),
        (3 * TWIN_BLOCK - 1, "gaze"), (3 * TWIN_BLOCK, "expression"),
    ],
)  # fmt: skip
def test_one_thing_changes(seed, part):
    assert changed(seed) == {part}


def test_twins_do_not_hang_on_their_neighbours():
    alone = twin_codes([TWIN_BLOCK + 3])
    assert torch.equal(twin_codes([5, TWIN_BLOCK + 3])[1:], alone)
