"""People: several portraits of each, drawn once. Who they are stays; how they look into the camera, and what surrounds them, changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.data import DRAW_BATCH, HELD_OUT_SEED, Pool, cached_pool, join, training_codes
from cddfm.images import eight_bit
from cddfm.parallel import team
from cddfm.report import progress_bar
from cddfm.worlds import ProceduralWorld, World

PERSON = ("presentation", "identity", "albedo", "iris", "skin", "beard")
"""Parts of a scene code that make a person."""

HAIR = ("hair_style", "hair_colour", "hair")
"""Parts that people keep in every second picture only, so that a network looks at faces as well."""

PEOPLE_SEED = 500_000_000
STRIDE = 1_000
"""Person i has the seed PEOPLE_SEED + i · STRIDE, and picture k of theirs the (k + 1)-th after it: far above the seeds of training pools,
and below HELD_OUT_SEED."""

HELD_OUT_PERSON = 400_000
"""People from here on belong to evaluation; no training pool reaches them."""

MOST_PEOPLE = (HELD_OUT_SEED - PEOPLE_SEED) // STRIDE

SHARD = 1_000
"""Portraits in one file of the cache, at most."""


@dataclass(frozen=True)
class People:
    """n portraits, and the number of the person that each shows: equal numbers, equal people, also across styles."""

    pool: Pool
    numbers: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.pool)

    def to(self, device: torch.device | str) -> People:
        return People(self.pool.to(device), self.numbers.to(device))

    def take(self, indices: Int[Tensor, batch]) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, batch]]:
        """Pictures in [−1, 1] and whom they show."""
        return self.pool.take(indices)[0], self.numbers[indices.to(self.numbers.device)]


def join_people(parts: Sequence[People]) -> People:
    return People(join(*(part.pool for part in parts)), torch.cat([part.numbers for part in parts]))


def person_codes(person: int, pictures: int) -> Float[Tensor, "pictures code_dim"]:
    """Scene codes of one person's portraits: PERSON is the same in all of them, HAIR in the even ones."""
    from cddfm.world import sample_codes
    from cddfm.world.codes import split

    if not 0 <= person < MOST_PEOPLE or not 0 < pictures < STRIDE:
        raise ValueError(f"person {person}, {pictures} pictures: there are {MOST_PEOPLE:,} people with fewer than {STRIDE:,} pictures each")
    seed = PEOPLE_SEED + person * STRIDE
    themselves = split(sample_codes([seed]))
    codes = training_codes(range(seed + 1, seed + 1 + pictures))
    part = split(codes)  # views
    for name in PERSON:
        part[name][:] = themselves[name]
    for name in HAIR:
        part[name][::2] = themselves[name]
    return codes


def draw_people(
    count: int, pictures: int, resolution: int, cache: Path | None = None, *, first: int = 0, style: str = "portrait",
    device: torch.device | str = "cpu", world: World | None = None,
) -> People:  # fmt: skip
    """Draw `pictures` portraits of each of the people [first, first + count), one person after the other.

    With a cache folder, finished shards are kept there, and drawing goes on from them; of a team of processes, one of each machine draws
    and the others read. world: the procedural one when left out.
    """
    from cddfm.world import VERSION

    place = world or ProceduralWorld()
    cache = cache / place.key if cache is not None else None

    def portraits(start: int, stop: int) -> Pool:
        parts = []
        for codes in torch.cat([person_codes(person, pictures) for person in range(start, stop)]).split(DRAW_BATCH):
            picture, params = place.portraits(codes.to(device), resolution, style)
            parts.append(Pool(eight_bit(picture).cpu(), params.flatten().cpu(), codes))
        return join(*parts).whole()

    shards, step = [], max(1, SHARD // pictures)
    with progress_bar(f"drawing people, {style}", total=count * pictures, completed=0) as advance, torch.no_grad(), team().one_first():
        for start in range(first, first + count, step):
            stop = min(start + step, first + count)
            path = None if cache is None else cache / f"people-{style}-{resolution}-{start}-{stop}x{pictures}-world{VERSION}.pt"
            shards.append(cached_pool(path, lambda start=start, stop=stop: portraits(start, stop)))
            advance((stop - first) * pictures, {})
    numbers = torch.arange(first, first + count).repeat_interleave(pictures)
    return People(join(*shards), numbers).to(device)

