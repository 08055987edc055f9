"""Turns are fair, and the numbers are what they are called."""

import pytest

from benchmarks import timing
from benchmarks.timing import Timing, take_turns


def test_contestants_take_turns_and_start_in_turn():
    calls = []
    times = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] + ["a", "b"] + ["b", "a"] + ["a", "b"]
    assert [len(time.seconds) for time in times.values()] == [3, 3]


def test_rounds_go_on_while_the_time_lasts_but_not_for_ever():
    calls = []
    take_turns({"a": lambda: calls.append("a")}, rounds=2, seconds=60.0)
    assert len(calls) == 1 + 2 * timing.LONGEST


def test_ratios_are_taken_within_rounds():
    """A disturbance that slows one round for both leaves the ratio alone."""
    ours, theirs = Timing((1.0, 1.0, 10.0, 1.0)), Timing((3.0, 3.0, 30.0, 3.0))
    assert ours.faster_than(theirs) == 3.0
    assert (ours.median, ours.minimum, ours.spread) == (1.0, 1.0, pytest.approx(2.25))
    assert Timing((2.0,)).spread == 0.0
