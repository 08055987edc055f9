"""Courses by images seen."""

import pytest

from stylespace.schedule import average_decay


def test_an_average_keeps_half_in_its_half_life():
    assert average_decay(1_000_000, 8, 5000.0) ** (5000 / 8) == pytest.approx(0.5)


def test_an_average_is_short_while_little_was_seen():
    assert average_decay(0, 8, 5000.0) == pytest.approx(0.5**10)
    kept = [average_decay(position, 8, 5000.0) for position in range(0, 100_000, 8)]
    assert kept == sorted(kept)
