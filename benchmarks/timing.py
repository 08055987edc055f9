"""Contestants take turns, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

LONGEST = 8
"""Rounds go on while the time lasts, up to this many times the number that was asked for."""


@dataclass(frozen=True)
class Timing:
    """Seconds of every round, in order."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """The middle half of all rounds, relative to the median: how much the machine disturbed the measurement."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / self.median

    def faster_than(self, other: Timing) -> float:
        """Median over the rounds of how many times faster this was in the same round."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.seconds, other.seconds, strict=True))


def take_turns(
    contestants: Mapping[str, Callable[[], object]], rounds: int, seconds: float = 0.0, device: torch.device | str = "cpu"
) -> dict[str, Timing]:
    """Call each contestant once to warm up, then in `rounds` rounds (more while `seconds` last), each round starting with another one."""
    names = list(contestants)
    for name in names:
        _timed(contestants[name], device)
    measured: dict[str, list[float]] = {name: [] for name in names}
    start = time.perf_counter()
    for index in range(rounds * LONGEST):
        if index >= rounds and time.perf_counter() - start >= seconds:
            break
        first = index % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(_timed(contestants[name], device))
    return {name: Timing(tuple(values)) for name, values in measured.items()}


def _timed(call: Callable[[], object], device: torch.device | str) -> float:
    _wait_for(device)
    start = time.perf_counter()
    call()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
