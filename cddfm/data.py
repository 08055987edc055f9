"""Pools: portraits of the procedural world, drawn once with their exact parameters, and read many times."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from cddfm.report import progress_bar
from cddfm.worlds import ProceduralWorld, World
from stylespace.weights import write_atomically

HELD_OUT_SEED = 1_000_000_000
"""Seeds from here on belong to evaluation; no training pool reaches them."""

DRAW_BATCH = 64

LIVELY = 1.7
"""How much further than the others' the pitch, roll and light of every second training portrait reach, in their Gaussian numbers."""


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


def training_codes(seeds: Sequence[int]) -> Float[Tensor, "n code_dim"]:
    """The world's codes, but every second sitter (odd seeds) tilts the head and is lit from the side more: who faces the camera seldom
    does so otherwise, and an edit must know how that looks."""
    from cddfm.world import sample_codes
    from cddfm.world.codes import split

    codes = sample_codes(seeds)
    lively = torch.tensor([seed % 2 == 1 for seed in seeds])
    part = split(codes)  # views
    part["pose"][lively, ::2] *= LIVELY
    part["light"][lively, :1] *= LIVELY
    return codes


def draw_pool(
    style: str, count: int, resolution: int, device: torch.device | str, cache: Path | None = None, seed: int = 0,
    world: World | None = None,
) -> Pool:  # fmt: skip
    """Draw the portraits of seeds [seed, seed + count); with a cache folder, keep finished thousands there and go on from them.

    world: the procedural one when left out.
    """
    from cddfm.world import VERSION

    place = world or ProceduralWorld()
    cache = cache / place.key if cache is not None else None

    def portraits(first: int, last: int) -> Pool:
        parts = []
        for start in range(first, last, DRAW_BATCH):
            codes = training_codes(range(start, min(start + DRAW_BATCH, last))).to(device)
            picture, params = place.portraits(codes, resolution, style)
            images = ((picture + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
            parts.append(Pool(images.cpu(), params.flatten().cpu(), codes.cpu()))
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
