"""How much of a true change an edit draws, and what it draws besides: pictures beside pictures, and no network that reads them.

A judge reads little of what is small in a picture, and sees other things change that do not. But where the world draws the same person
before and after, the true change of every pixel is known, and so is what an edit of that person's inversion changes. What is wrong with the
inversion itself is in both of its pictures, and counts little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.edit import Face
from cddfm.evaluation.scores import SMALLEST
from cddfm.evaluation.sweeps import Ask
from cddfm.evaluation.truth import Seated
from cddfm.evaluation.world_scale import Drawn, Sitters, changed_pictures, kept, scale_plan, to_image
from cddfm.methods import Method
from cddfm.stack import Stack

FORGIVEN = 2
"""Pixels a side over which changes are averaged: what lies less than that beside its place is not called missing."""


@dataclass(frozen=True)
class DrawnScore:
    """One control by one method in one domain, over `edits` of the world's people. gain: slope of the made change of the picture against
    the true one, Σ⟨made, true⟩ / Σ⟨true, true⟩. off: Σ‖made − true‖² / Σ‖true‖²; 0 where both are the same, 1 where nothing is drawn,
    above 1 where more is wrong afterwards than before."""

    domain: str
    method: str
    control: str
    attribute: str
    edits: int
    gain: float
    off: float

    def record(self) -> dict[str, Any]:
        return asdict(self)


@torch.no_grad()
def drawn_changes(
    stack: Stack, methods: Mapping[str, Method], domain: str, faces: Sequence[Face], people: Sitters, seed: int, cache: Path, drawn: Drawn,
) -> list[DrawnScore]:  # fmt: skip
    """Every control of `scale_plan` by every method. faces: the first of the people, embedded; domain: of the pictures."""
    seated = Seated.of(stack, domain, faces)
    count, device = len(seated.s), seated.s.device
    pixels = kept(cache, people, "unchanged", people.portraits, drawn)
    portraits = to_image(pixels[:count], device)
    sums: dict[tuple[str, str, str], Tensor] = {}
    for ask in _asks(people, seed):
        true = _coarse(to_image(changed_pictures(people, ask, pixels, cache, drawn)[:count], device) - portraits)
        asked = ask.deltas[:count].abs().amax(dim=1) > SMALLEST
        for name, method in methods.items():
            edited = seated.edit(stack, name, method, replace(ask, deltas=ask.deltas[:count]))
            made = _coarse(edited.composed - seated.photograph.image)
            drawn(count)
            products = [(one * other).sum(dim=1) for one, other in ((made, true), (true, true), (made - true, made - true))]
            row = torch.stack([torch.ones_like(products[0]), *products])[:, asked].double().sum(dim=1)
            key = name, ask.controls[0], ask.attribute
            sums[key] = sums.get(key, torch.zeros_like(row)) + row
    return [
        DrawnScore(domain, *key, int(edits), float(along / whole), float(off / whole))
        for key, (edits, along, whole, off) in sums.items()
        if whole > 0
    ]


def _asks(people: Sitters, seed: int) -> Iterator[Ask]:
    for slot in scale_plan(people.world):
        yield from slot.asks(people.params, 0, seed)


def _coarse(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch numbers"]:
    return functional.avg_pool2d(images, FORGIVEN).flatten(1)


def pictures_drawn(people: Sitters, count: int, methods: int) -> int:
    """Pictures that `drawn_changes` tells of."""
    return len(people.codes) + sum(len(people.codes) + count * methods for _ in _asks(people, 0))
