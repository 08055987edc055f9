"""Pools: portraits of the procedural world, drawn once with their exact parameters, and read many times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from cddfm.gathered import Gathered, gather
from cddfm.images import eight_bit
from cddfm.lighting import turn
from cddfm.parallel import team
from cddfm.params import GROUPS, FaceParams
from cddfm.remember import remembered
from cddfm.report import progress_bar
from cddfm.worlds import ProceduralWorld, World

HELD_OUT_SEED = 1_000_000_000
"""Seeds from here on belong to evaluation; no training pool reaches them."""

FRESH_SEED = 400_000_000
"""Seeds from here on are for calibration, which asks what a network makes of pictures that it was not trained on."""

DRAW_BATCH = 64

CODES = 4
"""Rises when the same training seed starts to have another code."""

LIVELY = 1.7
"""How much further than the others' the pitch, roll and light of every second training portrait reach, in their Gaussian numbers."""

ACTED = 4
EXPRESSIONS = 32
"""How many numbers of a code's expressions have a meaning (left and right move together)."""

TWIN_KINDS = ("expression", "light", "expression", "identity", "pose", "light", "expression", "albedo", "pose", "gaze")
"""What changes from a portrait to its twin: one of these for every four seeds, in turn."""

TWIN_SEED = 500_000_000
"""What is new in a twin is drawn from its seed plus this."""

CARRIED, RAISED = math.radians(120), math.radians(25)
"""How far a twin's light is carried around its head, and up or down, at most."""


@dataclass(frozen=True)
class Pool:
    """n portraits of one style: pictures (UInt8 [n, 3, height, width]), flat parameters (raw units) and the scene codes that they were
    drawn from."""

    images: UInt8[Tensor, "n 3 height width"] | Gathered
    params: Float[Tensor, "n total"]
    codes: Float[Tensor, "n code_dim"]

    def __len__(self) -> int:
        return self.images.shape[0]

    def to(self, device: torch.device | str) -> Pool:
        return Pool(self.images.to(device), self.params.to(device), self.codes.to(device))

    def whole(self) -> Pool:
        """The same with its pictures in one tensor."""
        return Pool(torch.cat(self.images.parts), self.params, self.codes) if isinstance(self.images, Gathered) else self

    def reduced(self, resolution: int) -> Pool:
        """The same with pictures averaged to a lower resolution."""
        if self.images.shape[2] == resolution:
            return self
        images = functional.adaptive_avg_pool2d(self.whole().images.float(), resolution).round().to(torch.uint8)
        return Pool(images, self.params, self.codes)

    def take(self, indices: Int[Tensor, batch]) -> tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch total"]]:
        """Pictures in [−1, 1] and their flat parameters."""
        return self.images[indices].float() / 127.5 - 1, self.params[indices.to(self.params.device)]


def join(*pools: Pool) -> Pool:
    """One after the other; no picture is copied."""
    params, codes = (torch.cat([getattr(pool, name) for pool in pools]) for name in ("params", "codes"))
    return Pool(gather([pool.images for pool in pools]), params, codes)


def training_codes(seeds: Sequence[int]) -> Float[Tensor, "n code_dim"]:
    """The world's codes with more of what edits must know and sitters seldom do. Odd seeds tilt the head further and are lit more from the
    side; in every second pair of seeds each sitter puts on `ACTED` expressions at any strength beside those of the code."""
    from cddfm.world import sample_codes
    from cddfm.world.codes import split

    codes = sample_codes(seeds)
    part = split(codes)  # views
    lively = torch.tensor([seed % 2 == 1 for seed in seeds])
    part["pose"][lively, ::2] *= LIVELY
    part["light"][lively, :1] *= LIVELY
    for row, seed in enumerate(seeds):
        if seed // 2 % 2 == 1:
            _act(part["expression"][row], seed)
    return codes


def twin_kind(seed: int) -> str:
    """What changes from the portrait of this seed to its twin: one of `TWIN_KINDS`."""
    return TWIN_KINDS[seed // 4 % len(TWIN_KINDS)]


def twin_codes(seeds: Sequence[int]) -> Float[Tensor, "n code_dim"]:
    """The codes of `training_codes` with one thing changed (`twin_kind`): `ACTED` other expressions put on, eyes that look elsewhere,
    another pose, light, face or skin. Of four lights one is another code's, and three are the same (`twin_params` carries them around)."""
    from cddfm.world import sample_codes
    from cddfm.world.codes import split

    codes, anew = training_codes(seeds), [seed + TWIN_SEED for seed in seeds]
    part, other = split(codes), split(sample_codes(anew))
    for row, seed in enumerate(seeds):
        kind = twin_kind(seed)
        if kind == "expression":
            _act(part["expression"][row], anew[row])
        elif kind in ("identity", "albedo"):
            part[kind][row] = other[kind][row]
        elif kind in ("gaze", "pose") or not light_is_carried(seed):
            part[kind][row] = LIVELY * other[kind][row]
    return codes


def light_is_carried(seed: int) -> bool:
    """Whether the twin's light is the portrait's, carried around: of four seeds three where the light is what changes, else two."""
    return seed % 4 != 3 if twin_kind(seed) == "light" else seed % 4 in (1, 2)


def twin_params(seeds: Sequence[int], before: FaceParams, after: FaceParams) -> FaceParams:
    """The twins' parameters, from those of the portraits' codes and of the twins'. Half of all twins have their lights carried around,
    further than the world's own codes reach, as edits do: whatever else changes, light is everywhere in a picture, and what is seen of it
    must not pass for what is told. Who turns keeps the look, which in the world changes with the pose."""
    turned = torch.tensor([twin_kind(seed) == "pose" for seed in seeds], device=after.pose.device)[:, None]
    kept = {name: torch.where(turned, getattr(before, name), getattr(after, name)) for name in GROUPS if name != "pose"}
    params = after.replace(**kept)
    carried = torch.tensor([light_is_carried(seed) for seed in seeds], device=params.light.device)
    draws = [torch.rand(2, generator=torch.Generator().manual_seed(seed + TWIN_SEED)) for seed in seeds]
    around = carried_lights(params.light, (2 * torch.stack(draws) - 1).to(params.light.device))
    return params.replace(light=torch.where(carried[:, None], around, params.light))


def carried_lights(light: Float[Tensor, "batch 27"], way: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 27"]:
    """Lights carried around their heads, and up or down. way: shares in [−1, 1] of `CARRIED` and of `RAISED`."""
    return turn(light, CARRIED * way[:, 0], RAISED * way[:, 1])


def _act(expression: Float[Tensor, " numbers"], seed: int) -> None:
    """Put on `ACTED` expressions, in place."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randperm(EXPRESSIONS, generator=generator)[:ACTED]
    expression[which] = acted_strength((ACTED,), generator)


def acted_strength(shape: Sequence[int], generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """Code numbers of expressions that are put on: any strength, from hardly to fully."""
    return 0.5 + 2.3 * torch.rand(*shape, generator=generator)


def draw_pool(
    style: str, count: int, resolution: int, device: torch.device | str, cache: Path | None = None, seed: int = 0,
    world: World | None = None, drawn: int | None = None, twins: bool = False,
) -> Pool:  # fmt: skip
    """Draw the portraits of seeds [seed, seed + count); with a cache folder, keep finished thousands there and go on from them.

    world: the procedural one when left out. drawn: pixels a side of what is drawn and kept, a multiple of the resolution, to which it is
    then averaged; the resolution itself when left out. twins: draw their twins (`twin_codes`, `twin_params`) instead.
    """
    from cddfm.world import VERSION

    place = world or ProceduralWorld()
    cache = cache / place.key if cache is not None else None
    drawn = drawn or resolution
    kind = f"{style}-twins" if twins else style

    def portraits(first: int, last: int) -> Pool:
        parts = []
        for start in range(first, last, DRAW_BATCH):
            seeds = range(start, min(start + DRAW_BATCH, last))
            codes, changed = training_codes(seeds).to(device), None
            if twins:
                before, codes = place.params(codes), twin_codes(seeds).to(device)
                changed = twin_params(seeds, before, place.params(codes))
            picture, params = place.portraits(codes, drawn, style, changed)
            parts.append(Pool(eight_bit(picture).cpu(), params.flatten().cpu(), codes.cpu()))
        return join(*parts).whole()

    shards = []
    shard = 1000
    with progress_bar(f"drawing {kind}", total=count, completed=0) as advance, torch.no_grad():
        for first in range(seed, seed + count, shard):
            last = min(first + shard, seed + count)
            path = None if cache is None else cache / f"{kind}-{drawn}-{first}-{last}-world{VERSION}.{CODES}.pt"
            shards.append(cached_pool(path, lambda first=first, last=last: portraits(first, last)).reduced(resolution))
            advance(last - seed, {})
    return join(*shards).to(device)


def cached_pool(path: Path | None, make: Callable[[], Pool]) -> Pool:
    """The pool in this file, or made now and put there; of a team of processes, one of each machine makes it. path: None keeps nothing."""
    if path is None:
        return make()
    with team().one_first():
        return Pool(**remembered(path, lambda: dict(vars(make()))))
