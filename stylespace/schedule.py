"""The learning rate's course, by images seen."""

from __future__ import annotations

import math


def rate_at(position: int, total: int, floor: float = 0.05) -> float:
    """Learning-rate factor: linear warm-up over the first 2 %, cosine down to `floor`."""
    progress = min(position / total, 1.0)
    return min(1.0, (progress + 1e-4) / 0.02) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
