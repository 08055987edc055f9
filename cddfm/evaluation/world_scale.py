"""The judge's own scale: what it reads, and what else it sees change, where the world itself shows the change that was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cddfm.data import HELD_OUT_SEED
from cddfm.evaluation.observe import Observer
from cddfm.evaluation.scores import SMALLEST, Measured, Readings, measure_sweep
from cddfm.evaluation.sweeps import Ask, Slot, make_plan, sweeps_of
from cddfm.images import eight_bit
from cddfm.params import FaceParams, ParamLayout
from cddfm.remember import remembered
from cddfm.worlds import World

Drawn = Callable[[int], None]
"""Called with the number of pictures drawn since the last call."""


@dataclass(frozen=True)
class Sitters:
    """People of the world that no training has seen, as one style shows them."""

    world: World
    codes: Float[Tensor, "sitters code"]
    params: FaceParams
    style: str
    resolution: int

    @staticmethod
    def of(world: World, count: int, style: str, resolution: int) -> Sitters:
        from cddfm.world import sample_codes

        codes = sample_codes(range(HELD_OUT_SEED, HELD_OUT_SEED + count)).to(world.model.mean.device)
        return Sitters(world, codes, world.params(codes), style, resolution)

    def portraits(self) -> UInt8[Tensor, "sitters 3 side side"]:
        return self._draw(self.codes, self.params)

    def changed(self, ask: Ask, unchanged: UInt8[Tensor, "sitters 3 side side"]) -> UInt8[Tensor, "sitters 3 side side"]:
        """Everybody with the change; who is asked for none needs no new picture."""
        asked = (ask.deltas.abs().amax(dim=1) > SMALLEST).nonzero()[:, 0]
        pixels = unchanged.clone()
        if len(asked):
            pixels[asked.cpu()] = self._draw(self.codes[asked], changed_params(self.params, ask)[asked])
        return pixels

    def _draw(self, codes: Tensor, params: FaceParams) -> Tensor:
        images, _ = self.world.portraits(codes, self.resolution, self.style, params)
        return eight_bit(images).cpu()


def changed_params(params: FaceParams, ask: Ask) -> FaceParams:
    return params.replace(**{ask.attribute: getattr(params, ask.attribute) + ask.deltas})


def to_image(pixels: UInt8[Tensor, "batch 3 side side"], device: torch.device | str = "cpu") -> Float[Tensor, "batch 3 side side"]:
    return pixels.to(device).float() / 127.5 - 1


def true_changes(
    sitters: Sitters, observer: Observer, scale: Float[Tensor, " total"], cache: Path, seed: int, drawn: Drawn
) -> dict[str, Measured]:
    """Control → what the judges see of true changes of every sitter; pictures are kept in the folder and taken from there next time."""
    count, device = len(sitters.codes), sitters.codes.device
    plan = scale_plan(sitters.world)
    unchanged = kept(cache, sitters, "unchanged", sitters.portraits, drawn)
    before = observer.see(to_image(unchanged, device), count)
    layout, parts = sitters.params.layout, []
    for slot in plan:
        for ask in slot.asks(sitters.params, 0, seed):
            after = observer.see(to_image(changed_pictures(sitters, ask, unchanged, cache, drawn), device), count)
            parts.append(Readings.of(ask, layout, before.flat, after.flat, observer.compare(before, after)))
    return measured_by_control(plan, Readings.join(parts), layout, scale)


def changed_pictures(
    sitters: Sitters, ask: Ask, unchanged: UInt8[Tensor, "sitters 3 side side"], cache: Path, drawn: Drawn
) -> UInt8[Tensor, "sitters 3 side side"]:
    """Everybody with a change that one control asks for, from the folder or drawn now."""
    return kept(cache, sitters, f"{ask.controls[0]}-{digest(ask)}", lambda: sitters.changed(ask, unchanged), drawn)


def scale_plan(world: World) -> list[Slot]:
    """The same sweeps as the methods'; every sitter takes every control, at one value by turn."""
    return make_plan(world.model, faces=1)


def measured_by_control(plan: list[Slot], readings: Readings, layout: ParamLayout, scale: Tensor) -> dict[str, Measured]:
    found = {sweep.name: measure_sweep(sweep, readings, layout, scale) for sweep in sweeps_of(plan)}
    return {name: measured for name, measured in found.items() if measured is not None}


def digest(ask: Ask) -> str:
    return hashlib.sha256(ask.deltas.cpu().double().mul(1e4).round().numpy().tobytes()).hexdigest()[:10]


def kept(folder: Path, sitters: Sitters, name: str, draw: Callable[[], Tensor], drawn: Drawn) -> Tensor:
    """Pictures of this name from the folder, or drawn now and put there."""
    from cddfm.world import VERSION

    count = len(sitters.codes)
    key = f"{sitters.style}-{sitters.resolution}-{HELD_OUT_SEED}-{count}-{name}-world{VERSION}.pt"
    pixels = remembered(folder / sitters.world.key / key, draw)
    drawn(count)
    return pixels
