"""Rows of several tensors are those of one, and none of them is copied."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cddfm.data import Pool, join
from cddfm.gathered import Gathered, gather
from cddfm.remember import remembered

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=5)


def parts_of(lengths):
    whole = torch.arange(3 * sum(lengths)).reshape(-1, 3)
    return whole, list(whole.split(lengths))


@given(LENGTHS, st.data())
def test_rows_are_those_of_the_whole(lengths, data):
    whole, parts = parts_of(lengths)
    gathered = gather(parts)
    assert gathered.shape == whole.shape and len(gathered) == len(whole)
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)) if len(whole) else [], dtype=torch.long)
    assert torch.equal(gathered[rows], whole[rows])


def test_gathering_what_is_gathered_copies_nothing():
    _, parts = parts_of([2, 3, 4])
    again = gather([gather(parts[:2]), parts[2]])
    assert isinstance(again, Gathered)
    assert [part.data_ptr() for part in again.parts] == [part.data_ptr() for part in parts]
    assert gather(parts[:1]) is parts[0]


@pytest.mark.parametrize("rows", [[-1], [9], [0, 12]])
def test_rows_that_are_not_there_are_refused(rows):
    with pytest.raises(IndexError, match="0 to 8"):
        gather(parts_of([2, 3, 4])[1])[torch.tensor(rows)]


def test_pools_from_files_are_joined_without_reading_them(tmp_path):
    def drawn(number):
        return {"images": torch.full((3, 3, 4, 4), number, dtype=torch.uint8), "params": torch.zeros(3, 2), "codes": torch.zeros(3, 1)}

    def pool(number):
        return Pool(**remembered(tmp_path / f"{number}.pt", lambda: drawn(number)))

    for number in (0, 255):
        pool(number)
    joined = join(pool(0), pool(255))
    images, params = joined.take(torch.tensor([5, 0]))
    assert images.amin(dim=(1, 2, 3)).tolist() == [1, -1] and params.shape == (2, 2)
    assert torch.equal(joined.whole().images, torch.cat(joined.images.parts))
    assert joined.reduced(2).images.shape == (6, 3, 2, 2)
