"""The world's held-out portraits that generated ones are compared with, drawn once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional

from cddfm.data import DRAW_BATCH
from cddfm.evaluation.world_scale import Drawn
from cddfm.images import eight_bit
from cddfm.remember import remembered
from cddfm.worlds import World

SHARD = 500
"""Portraits in one file of the cache: what an interruption loses at most."""

FINE = 128
"""Pixels a side below which portraits are drawn twice as large and averaged, as the portraits of training are."""


@dataclass(frozen=True)
class Exhibition:
    """The world's held-out portraits in one style at one resolution, kept in a folder shard by shard. Codes are those of sitters as they
    are, not the livelier ones of training: z ~ N(0, I) stands for sitters."""

    world: World
    style: str
    resolution: int
    cache: Path
    device: torch.device | str = "cpu"

    @property
    def drawn_at(self) -> int:
        return self.resolution if self.resolution >= FINE else 2 * self.resolution

    def shards(self, first: int, count: int, drawn: Drawn) -> Iterator[UInt8[Tensor, "some 3 side side"]]:
        """Portraits of the scenes [first, first + count); what the folder lacks is drawn now and put there."""
        for start in range(first, first + count, SHARD):
            yield self._shard(start, min(start + SHARD, first + count), drawn)

    def _shard(self, start: int, stop: int, drawn: Drawn) -> Tensor:
        from cddfm.world import VERSION

        name = f"distance-{self.style}-{self.resolution}-of-{self.drawn_at}-{start}-{stop}-world{VERSION}.pt"
        path = self.cache / self.world.key / name
        if path.is_file():
            drawn(stop - start)
        return remembered(path, lambda: torch.cat(list(self._portraits(start, stop, drawn))))

    @torch.no_grad()
    def _portraits(self, start: int, stop: int, drawn: Drawn) -> Iterator[Tensor]:
        from cddfm.world import sample_codes

        for k in range(start, stop, DRAW_BATCH):
            codes = sample_codes(range(k, min(k + DRAW_BATCH, stop)))
            images, _ = self.world.portraits(codes.to(self.device), self.drawn_at, self.style)
            pixels = functional.adaptive_avg_pool2d(eight_bit(images).float(), self.resolution).round().to(torch.uint8)
            drawn(len(codes))
            yield pixels.cpu()
