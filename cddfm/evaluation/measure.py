"""Edits of generated faces by every method in every domain: asked, made, drawn, read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.edit import generated_styles
from cddfm.evaluation.observe import Observer, Seen
from cddfm.evaluation.scores import Readings
from cddfm.evaluation.sweeps import Ask, Slot
from cddfm.methods import Method
from cddfm.metrics import disentanglement, mean_pairwise_distance
from cddfm.params import ATTRIBUTES, FaceParams, ParamLayout
from cddfm.stack import Stack
from stylespace.generator import Generator

BATCH = 50

VARIANTS = 4
"""Edits of one face in a group of the disentanglement score."""


@dataclass(frozen=True)
class Counts:
    """How many faces take part in what; the first of them in each case.

    near: SSIM, identity and the round trip of codes. returned: pictures of the round trip. grouped: disentanglement. scaled: the world's
    people for the judge's own scale (of two dozen, the light's differed by a quarter from those of another). sitters: those for the
    world's own answers.
    """

    faces: int
    near: int
    returned: int
    grouped: int
    scaled: int
    sitters: int

    @staticmethod
    def of(faces: int) -> Counts:
        near, few = max(2, faces // 5), max(2, faces // 20)
        return Counts(faces, near, few, max(2, faces // 16), min(96, near), min(24, few))


@dataclass(frozen=True)
class Batch:
    """Faces first, first + 1, …: their codes, what is asked of them, and the unit in which codes are compared."""

    first: int
    s: Float[Tensor, "batch style"]
    params: FaceParams
    asks: Sequence[Ask]
    unit: Float[Tensor, " style"]

    def among(self, count: int) -> int:
        """How many of these faces belong to the first `count` of all."""
        return max(0, min(len(self.s), count - self.first))


@torch.no_grad()
def make_batches(stack: Stack, reader: Method, plan: Sequence[Slot], faces: int, seed: int) -> list[Batch]:
    """The faces of seeds [seed, seed + faces). All methods are asked the same changes: from the parameters that one reader predicts."""
    starts = range(0, faces, BATCH)
    codes = [generated_styles(stack, list(range(seed + first, seed + min(first + BATCH, faces)))) for first in starts]
    every = torch.cat(codes)
    unit = every.std(dim=0, correction=0).clamp(min=1e-4)
    batches = []
    for first, s in zip(starts, codes, strict=True):
        params = reader.predict(s)
        batches.append(Batch(first, s, params, [ask for slot in plan for ask in slot.asks(params, first, seed)], unit))
    return batches


@dataclass(frozen=True)
class Workbench:
    """One domain: its generator, the judges, and the faces unedited. `drawn` is told how many pictures were made."""

    generator: Generator
    observer: Observer
    counts: Counts
    layout: ParamLayout
    batches: Sequence[Batch]
    unedited: Sequence[Seen]
    drawn: Callable[[int], None]

    @property
    def population(self) -> Float[Tensor, "faces total"]:
        """The judge's readings of all unedited faces."""
        return torch.cat([seen.flat for seen in self.unedited])


@torch.no_grad()
def set_up(
    generator: Generator, observer: Observer, counts: Counts, layout: ParamLayout, batches: Sequence[Batch], drawn: Callable[[int], None]
) -> Workbench:
    unedited = []
    for batch in batches:
        unedited.append(observer.see(generator.synthesise(batch.s), batch.among(counts.near)))
        drawn(len(batch.s))
    return Workbench(generator, observer, counts, layout, batches, unedited, drawn)


@torch.no_grad()
def read_edits(bench: Workbench, method: Method) -> Readings:
    """Every edit that is asked of every face, as the judges read it; with how well the inverse edit leads back."""
    parts = []
    for batch, before in zip(bench.batches, bench.unedited, strict=True):
        for ask in batch.asks:
            edited = method.edit(batch.s, {ask.attribute: ask.deltas})
            after = bench.observer.see(bench.generator.synthesise(edited), batch.among(bench.counts.near))
            extras = bench.observer.compare(before, after) | _round_trip(bench, method, batch, ask, edited, before)
            parts.append(Readings.of(ask, bench.layout, before.flat, after.flat, extras))
            bench.drawn(len(batch.s))
    return Readings.join(parts)


def _round_trip(
    bench: Workbench, method: Method, batch: Batch, ask: Ask, edited: Float[Tensor, "batch style"], before: Seen
) -> dict[str, Float[Tensor, " batch"]]:
    """Of the first faces: what is left of the way there after the way back, ‖s″ − s‖ / ‖s′ − s‖, and the pictures' mean difference."""
    columns = {name: torch.full((len(batch.s),), torch.nan) for name in ("round_trip_code", "round_trip_picture")}
    near, shown = batch.among(bench.counts.near), batch.among(bench.counts.returned)
    if near:
        s, there = batch.s[:near], edited[:near]
        back = method.edit(there, {ask.attribute: -ask.deltas[:near]})
        way = ((there - s) / batch.unit).norm(dim=1)
        left = ((back - s) / batch.unit).norm(dim=1)
        columns["round_trip_code"][:near] = torch.where(way > 0, left / way, torch.nan).cpu()
        if shown:
            again = bench.generator.synthesise(back[:shown])
            columns["round_trip_picture"][:shown] = ((again - before.images[:shown]).abs().mean(dim=(1, 2, 3)) / 2).cpu()
            bench.drawn(shown)
    return columns


@dataclass(frozen=True)
class Disentangled:
    """spreads: attribute → how far it spreads among pictures in which only `attribute` was varied, against its spread over the faces."""

    domain: str
    method: str
    attribute: str
    score: float
    spreads: Mapping[str, float]


@torch.no_grad()
def disentangle(bench: Workbench, method: Method, domain: str, name: str) -> list[Disentangled]:
    """Attribute by attribute, the first faces take other faces' values of it (Deng et al. 2020, by edits)."""
    population = bench.population
    deviation = population.std(dim=0, correction=0).clamp(min=1e-4)
    whole = _spreads(population[None] / deviation, bench.layout)
    readings: dict[str, list[Tensor]] = {attribute: [] for attribute in ATTRIBUTES}
    for batch in bench.batches:
        count = batch.among(bench.counts.grouped)
        for attribute, groups in readings.items():
            own = getattr(batch.params, attribute)
            variants = []
            for turn in range(1, VARIANTS + 1) if count else ():
                delta = own.roll(turn, dims=0)[:count] - own[:count]
                edited = method.edit(batch.s[:count], {attribute: delta})
                variants.append(bench.observer.see(bench.generator.synthesise(edited)).flat)
                bench.drawn(count)
            if variants:
                groups.append(torch.stack(variants, dim=1) / deviation)
    found = []
    for attribute, groups in readings.items():
        spreads = {k: value / max(whole[k], 1e-6) for k, value in _spreads(torch.cat(groups), bench.layout).items()}
        found.append(Disentangled(domain, name, attribute, disentanglement(spreads, attribute), spreads))
    return found


def _spreads(flat: Float[Tensor, "groups members total"], layout: ParamLayout) -> dict[str, float]:
    return {attribute: mean_pairwise_distance(flat[..., layout.slices[attribute]]) for attribute in ATTRIBUTES}


def pictures_of(counts: Counts, edits: int, methods: int) -> int:
    """Pictures that one domain takes."""
    per_method = counts.faces * edits + counts.returned * edits + counts.grouped * VARIANTS * len(ATTRIBUTES)
    return counts.faces + methods * per_method
