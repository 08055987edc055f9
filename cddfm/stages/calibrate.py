"""Calibration of edits: a manipulator that falls short of what is asked by a steady factor is asked for more by that factor.

What an edit achieves is read off generated pictures by the estimator, which sees only a part of any change, and of a small change less
than its part. How much it sees is known from the world's own pictures, whose parameters are exact: of a portrait and its twin, in which
one attribute has changed. So the same change is asked for of the same people, and what is read of the edit is held beside what is read of
the truth. The judge has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.data import Pool
from cddfm.manipulator import Manipulator
from cddfm.params import ATTRIBUTES, ParamLayout
from cddfm.reconstruct import Reconstructor
from cddfm.stages.twins import Twins, what_changed
from stylespace.generator import Generator

LEAST_SEEN = 0.15
"""Parameters of which the estimator reads less than this share of the truth cannot be calibrated, and keep their gain."""

LEAST_DONE = 0.1
"""Nor can those of which less than this share of what was asked arrives: what hardly moves is not a matter of more."""

STILL = 1e-4
"""Changes of a harmonic below this are none."""

MOST = 2.0
"""No request is stretched or shrunk by more than this factor: pictures break before they obey (a sneer at 3 takes the mouth along)."""

ROUNDS = 2
"""What a stretched request does is no exact multiple of what the request did: it is measured, and mended again."""

BATCH = 64

Places = Sequence[int]
"""Of parameters in their attribute."""

ORDERS: tuple[Places, ...] = (range(3), range(3, 12), range(12, 27))
"""The spherical harmonics of each order, of all colours: what a light's turning mixes (Ramamoorthi and Hanrahan 2001)."""


def sharing(attribute: str, size: int, names: Sequence[str] = ()) -> list[Places]:
    """Which parameters of an attribute have one factor: all of identity, and of albedo; each order of the light's harmonics, so that a
    light may be carried around; of the expressions of these names left and right, since what one side shows more of is chance. Pose has
    a factor per axis."""
    if attribute == "light":
        return list(ORDERS)
    if attribute in ("identity", "albedo"):
        return [range(size)]
    return both_sides(names, size) if attribute == "expression" else each(size)


def each(size: int) -> list[Places]:
    """Every parameter for itself."""
    return [[place] for place in range(size)]


def both_sides(names: Sequence[str], size: int) -> list[Places]:
    """Every named expression with that of the other side; what has no name stands alone."""
    places = {name: place for place, name in enumerate(names)}
    pairs = {tuple(sorted({place, places.get(mirrored(name), place)})) for name, place in places.items()}
    return [*sorted(pairs), *each(size)[len(names) :]]


def mirrored(name: str) -> str:
    """What an expression is called on the other side; its own name where it has none."""
    for one, other in (("_L", "_R"), ("Left", "Right")):
        for end, opposite in ((one, other), (other, one)):
            if name.endswith(end):
                return name.removesuffix(end) + opposite
    return name


class Trial(NamedTuple):
    """Changes of one attribute. s: codes of people; asked: the changes, raw units; seen: what the estimator reads of them in the world's
    own pictures of these people, before and after."""

    s: Float[Tensor, "edits style_dim"]
    asked: Float[Tensor, "edits size"]
    seen: Float[Tensor, "edits size"]


@torch.no_grad()
def trials_of(twins: Twins, estimator: Reconstructor, portraits: Pool, drawn: Pool, seed: int = 7) -> dict[str, Trial]:
    """Attribute → edits of everybody in whom it changes, twice: as the encoder sees them and as the mapping draws them.

    drawn: the portraits' twins, of which those serve in which a single attribute has changed; a change of light beside it is left to the
    light. An attribute that none of them changes has no trial.
    """
    changes, randomness, found = what_changed(portraits, drawn, twins.layout), torch.Generator().manual_seed(seed), {}
    for index, attribute in enumerate(ATTRIBUTES):
        rows, part = (changes == index).nonzero()[:, 0], twins.layout.slices[attribute]
        if len(rows):
            asked = (drawn.params[rows] - portraits.params[rows])[:, part]
            seen = (_read_pool(estimator, drawn, rows) - _read_pool(estimator, portraits, rows))[:, part]
            found[attribute] = Trial(twins.starting(portraits, rows, randomness), asked.repeat(2, 1), seen.repeat(2, 1))
    return found


@torch.no_grad()
def calibrate(
    manipulator: Manipulator, generator: Generator, estimator: Reconstructor, trials: Mapping[str, Trial], names: Sequence[str] = ()
) -> dict[str, Float[Tensor, " size"]]:
    """Set `manipulator.gains`; returns the slopes that were achieved before, of every attribute that was tried. names: of the
    expressions."""
    manipulator.gains.fill_(1.0)
    before = {}
    for attribute, (s, asked, seen) in trials.items():
        part = manipulator.layout.slices[attribute]
        unedited = _read(generator, estimator, s)[:, part]
        shared, counts = sharing(attribute, asked.shape[1], names), told_apart(attribute, asked)
        truth = slopes(asked * counts, seen, shared)
        able = truth >= LEAST_SEEN
        for turn in range(ROUNDS):
            got = _read(generator, estimator, manipulator.edit(s, {attribute: asked}))[:, part] - unedited
            done = slopes(asked * counts, got, shared)
            if turn == 0:
                before[attribute] = done
                able &= done > LEAST_DONE * truth
            wanted = manipulator.gains[part] * truth / done.clamp(min=1e-3)
            manipulator.gains[part] = torch.where(able, wanted.clamp(1 / MOST, MOST), torch.ones_like(wanted))
    return before


def told_apart(attribute: str, asked: Float[Tensor, "edits size"]) -> Float[Tensor, "edits size"]:
    """1 where an edit counts for a parameter's factor, else 0. The light's direction is what is asked for most, so the harmonics that tell
    it are calibrated by lights that are carried around, where there are any: those that keep the constant ones."""
    counts = torch.ones_like(asked)
    if attribute == "light":
        carried = asked[:, list(ORDERS[0])].abs().amax(dim=1) < STILL
        if carried.any():
            counts[~carried, ORDERS[1].start :] = 0.0
    return counts


def _read_pool(estimator: Reconstructor, pool: Pool, rows: Int[Tensor, " some"]) -> Float[Tensor, "some total"]:
    return torch.cat([estimator(pool.take(part)[0]).flatten() for part in rows.split(BATCH)])


def slopes(asked: Float[Tensor, "edits size"], got: Float[Tensor, "edits size"], shared: Sequence[Places]) -> Float[Tensor, " size"]:
    """Least squares through zero, one slope for the parameters at each of these places."""
    products, squares = (asked * got).sum(dim=0), asked.square().sum(dim=0)
    found = torch.empty_like(products)
    for part in map(list, shared):
        found[part] = products[part].sum() / squares[part].sum().clamp(min=1e-12)
    return found


def _read(generator: Generator, estimator: Reconstructor, s: Tensor) -> Float[Tensor, "codes total"]:
    return torch.cat([estimator(generator.synthesise(part)).flatten() for part in s.split(BATCH)])


def describe(layout: ParamLayout, gains: Float[Tensor, " total"]) -> dict[str, list[float]]:
    """For notes: attribute → factors."""
    return {name: [round(float(value), 3) for value in gains[layout.slices[name]]] for name in ATTRIBUTES}
