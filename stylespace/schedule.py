"""The courses of the learning rate and of moving averages, by images seen."""

from __future__ import annotations

import math


def average_decay(position: int, batch: int, half_life: float) -> float:
    """What a moving average of weights keeps in the step on images [position, position + batch): half in `half_life` images, or in a
    tenth of those that were seen as long as that is less."""
    return 0.5 ** (batch / min(half_life, 0.1 * (position + batch)))


def rate_at(position: int, total: int, floor: float = 0.05) -> float:
    """Learning-rate factor: linear warm-up over the first 2 %, cosine down to `floor`."""
    progress = min(position / total, 1.0)
    return min(1.0, (progress + 1e-4) / 0.02) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
