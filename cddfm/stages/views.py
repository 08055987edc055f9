"""What an encoder sees, what it is told, and what is to come of both: the lessons that generator and encoder are trained by.

They come in pairs: the encoder sees one picture of two twins (cddfm.data), and is told the exact parameters of either, so what is not
alike in both can only be written by what is told. Of some it is told what the estimator reads, as later of pictures whose parameters nobody
knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.data import Pool, join
from cddfm.params import FaceParams
from cddfm.world.codes import split
from cddfm.worlds import World
from domains.train import Lesson, Views
from stylespace.encoder import Encoder

READ = 0.25
"""Of the pictures that are seen, of how many the estimator's reading is told."""

TOLD_PARTS = ("expression", "asymmetry", "gaze", "expressiveness", "pose", "light")
"""Parts of a scene code that say nothing but what is told."""

SEEN_BATCH = 128


def shuffled(size: int, seed: int) -> Callable[[int, int], Int[Tensor, " count"]]:
    """(position, count) → rows: every epoch is a permutation, drawn from (seed, epoch)."""
    orders: dict[int, Tensor] = {}

    def order(epoch: int) -> Tensor:
        if epoch not in orders:
            orders.clear()
            orders[epoch] = torch.randperm(size, generator=torch.Generator().manual_seed(seed * 100_003 + epoch))
        return orders[epoch]

    return lambda position, count: torch.stack([order(place // size)[place % size] for place in range(position, position + count)])


def twin_views(portraits: Pool, twins: Pool, estimator: Callable[[Tensor], FaceParams], world: World, seed: int) -> Views:
    """Lessons of both pools, the twins being those of the first portraits: half of a batch are pictures that the encoder sees, the other
    half their partners, in the same order. A portrait without a twin is its own partner. Beyond their codes go the lights of twins that
    were carried around, and looks that were kept."""
    pool, apart = join(portraits, twins), len(portraits)
    rows_at = shuffled(len(pool), seed)

    @torch.no_grad()
    def views(position: int, count: int, randomness: torch.Generator) -> Lesson:
        rows = rows_at(position // 2, count // 2)
        partners = torch.where(rows >= apart, rows - apart, torch.where(rows < len(twins), rows + apart, rows))
        seen, facts = pool.take(rows)
        other, other_facts = pool.take(partners)
        codes = pool.codes[torch.cat([rows, partners]).to(pool.codes.device)]
        more = beyond(world, codes, torch.cat([facts, other_facts]))
        read = (torch.rand(len(rows), generator=randomness) < READ) & (partners != rows)
        if read.any():
            facts[read] = estimator(seen[read]).flatten().float()
        return Lesson(seen, torch.cat([facts, other_facts]), torch.cat([seen, other]), codes, more)

    return views


@torch.no_grad()
def beyond(world: World, codes: Float[Tensor, "n code"], facts: Float[Tensor, "n facts"]) -> Float[Tensor, "n facts"]:
    """What facts say that their scene codes do not."""
    return facts - world.params(codes).flatten().to(facts.device)


@torch.no_grad()
def seen_of(encoder: Encoder, pool: Pool) -> Float[Tensor, "n w_dim"]:
    """What an encoder sees in every picture of a pool."""
    return torch.cat([encoder.seen(pool.take(part)[0]) for part in torch.arange(len(pool)).split(SEEN_BATCH)])


@torch.no_grad()
def known_codes(
    encoder: Encoder, world: World, pools: Sequence[Pool], times: int, randomness: torch.Generator
) -> tuple[Float[Tensor, "n code"], Float[Tensor, "n w_dim"]]:
    """Scene codes and their w: of every picture of the pools, and `times` more of each with expression, pose and light of the world's own
    measure, where those of a pool are livelier; what was seen stays, and what is told of the new face is exact."""
    seen, known = torch.cat([seen_of(encoder, pool) for pool in pools]), torch.cat([pool.codes for pool in pools])
    codes = [known]
    for _ in range(times):
        varied = known.clone()
        part = split(varied)
        for name in TOLD_PARTS:
            part[name].copy_(torch.randn(part[name].shape, generator=randomness))
        codes.append(varied)
    w = [seen + encoder.step(world.params(some).flatten() - encoder.mean) for some in codes]
    return torch.cat(codes), torch.cat(w)
