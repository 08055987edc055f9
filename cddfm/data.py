"""Pools: portraits of the procedural world, drawn once with their exact parameters, and read many times."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from cddfm.report import progress_bar
from stylespace.weights import write_atomically

HELD_OUT_SEED = 1_000_000_000
"""Seeds from here on belong to evaluation; no training pool reaches them."""

DRAW_BATCH = 64


@dataclass(frozen=True)
class Pool:
    """n portraits of one style: pictures, flat parameters (raw units) and the scene codes that they were drawn from."""

    images: UInt8[Tensor, "n 3 height width"]
    params: Float[Tensor, "n total"]
    codes: Float[Tensor, "n code_dim"]

    def __len__(self) -> int:
        return self.images.shape[0]

    def to(self, device: torch.device | str) -> Pool:
        return Pool(self.images.to(device), self.params.to(device), self.codes.to(device))

    def take(self, indices: Int[Tensor, batch]) -> tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch total"]]:
        """Pictures in [−1, 1] and their flat parameters."""
        indices = indices.to(self.images.device)
        return self.images[indices].float() / 127.5 - 1, self.params[indices]


def join(*pools: Pool) -> Pool:
    return Pool(*(torch.cat([getattr(pool, name) for pool in pools]) for name in ("images", "params", "codes")))


def draw_pool(style: str, count: int, resolution: int, device: torch.device | str, cache: Path | None = None, seed: int = 0) -> Pool:
    """Draw the portraits of seeds [seed, seed + count); with a cache folder, keep finished thousands there and go on from them."""
    from cddfm.world import VERSION, draw, sample_codes, scene

    def portraits(first: int, last: int) -> Pool:
        parts = []
        for start in range(first, last, DRAW_BATCH):
            codes = sample_codes(range(start, min(start + DRAW_BATCH, last))).to(device)
            drawn = scene(codes)
            picture = draw(drawn, resolution, style).image
            images = ((picture + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
            parts.append(Pool(images.cpu(), drawn.params.flatten().cpu(), codes.cpu()))
        return join(*parts)

    shards = []
    shard = 1000
    with progress_bar(f"drawing {style}", total=count, completed=0) as advance, torch.no_grad():
        for first in range(seed, seed + count, shard):
            last = min(first + shard, seed + count)
            path = None if cache is None else cache / f"{style}-{resolution}-{first}-{last}-world{VERSION}.pt"
            shards.append(_cached(path, lambda first=first, last=last: portraits(first, last)))
            advance(last - seed, {})
    return join(*shards).to(device)


def _cached(path: Path | None, make: Callable[[], Pool]) -> Pool:
    if path is not None and path.is_file():
        return Pool(**torch.load(path, weights_only=True))
    pool = make()
    if path is not None:
        buffer = io.BytesIO()
        torch.save({name: getattr(pool, name) for name in ("images", "params", "codes")}, buffer)
        write_atomically(path, buffer.getvalue())
    return pool
