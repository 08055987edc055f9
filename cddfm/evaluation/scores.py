"""From what was asked and what the judge read to the numbers of the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.evaluation.sweeps import Ask, Sweep
from cddfm.metrics import average, gain, leakage, pose_leakage_degrees, target_error, touched_by
from cddfm.params import POSE_AXES, ParamLayout

JUDGEABLE = 0.3
"""A control of which the judge reads less than this share of a true change cannot be judged by it."""

NEAR_DEGREES = 30.0
ERROR_AT_DEGREES = 20.0
REACH = {"yaw": 45.0, "pitch": 20.0, "roll": 15.0}
"""Degrees from facing the camera; edits whose target lies beyond ask for a head that hardly any portrait shows."""

SMALLEST = 1e-4
"""Requests whose largest number is below this ask for nothing, and count nowhere."""

Extras = Mapping[str, float | None]


@dataclass(frozen=True)
class Readings:
    """Edits, one per row: which control was asked, the change in flat raw units, the judge's readings before and after, and what else was
    looked at (column → numbers, nan where it was not)."""

    controls: tuple[str, ...]
    requested: Float[Tensor, "edits total"]
    before: Float[Tensor, "edits total"]
    after: Float[Tensor, "edits total"]
    extras: Mapping[str, Float[Tensor, " edits"]]

    @staticmethod
    def of(ask: Ask, layout: ParamLayout, before: Tensor, after: Tensor, extras: Mapping[str, Tensor]) -> Readings:
        requested = torch.zeros_like(before)
        requested[:, layout.slices[ask.attribute]] = ask.deltas
        return Readings(ask.controls, requested, before, after, extras)

    @staticmethod
    def join(parts: Sequence[Readings]) -> Readings:
        return Readings(
            tuple(control for part in parts for control in part.controls),
            *(torch.cat([getattr(part, name) for part in parts]) for name in ("requested", "before", "after")),
            {column: torch.cat([part.extras[column] for part in parts]) for column in parts[0].extras},
        )

    def take(self, control: str) -> Readings:
        """The edits by one control that ask for something."""
        named = torch.tensor([name == control for name in self.controls], device=self.before.device)
        rows = (named & (self.requested.abs().amax(dim=1) > SMALLEST)).nonzero()[:, 0]
        chosen = tuple(self.controls[k] for k in rows.tolist())
        extras = {column: values[rows.to(values.device)] for column, values in self.extras.items()}
        return Readings(chosen, self.requested[rows], self.before[rows], self.after[rows], extras)


@dataclass(frozen=True)
class Measured:
    """One control's numbers. gain and target error of the edits; leakage in population standard deviations, None where the edit asks
    for the change itself; details: what only some controls have; extras: means of what was looked at."""

    control: str
    attribute: str
    unit: str
    edits: int
    gain: float
    target_error: float
    leakage: Extras
    pose_leakage_degrees: Extras
    details: Extras
    extras: Extras

    @property
    def leaked(self) -> float:
        """Mean leakage onto the attributes other than the edited one."""
        values = [value for attribute, value in self.leakage.items() if attribute != self.attribute and value is not None]
        return sum(values) / len(values)


def measure_sweep(sweep: Sweep, readings: Readings, layout: ParamLayout, scale: Float[Tensor, " total"]) -> Measured | None:
    """None where no edit asked for anything. scale: the population's standard deviations, for leakage."""
    rows = readings.take(sweep.name)
    if not rows.controls:
        return None
    achieved, touched = rows.after - rows.before, touched_by(rows.requested)
    error = target_error(rows.requested, achieved, touched)
    return Measured(
        control=sweep.name,
        attribute=sweep.attribute,
        unit=sweep.unit,
        edits=len(rows.controls),
        gain=gain(rows.requested, achieved),
        target_error=math.degrees(error) if sweep.attribute == "pose" else error,
        leakage=leakage(layout, achieved, scale, touched),
        pose_leakage_degrees=pose_leakage_degrees(layout, achieved, touched),
        details=_pose_details(sweep.name, rows, layout) if sweep.name in REACH else {},
        extras={column: average(values) for column, values in rows.extras.items()},
    )


def _pose_details(axis: str, rows: Readings, layout: ParamLayout) -> dict[str, float | None]:
    place = layout.slices["pose"].start + POSE_AXES.index(axis)
    requested, achieved, origin = (
        values[:, place : place + 1].rad2deg() for values in (rows.requested, rows.after - rows.before, rows.before)
    )

    def slope(chosen: Tensor) -> float | None:
        return gain(requested[chosen], achieved[chosen]) if bool(chosen.any()) else None

    found = {"gain_in_reach": slope(((origin + requested).abs() <= REACH[axis])[:, 0])}
    if axis == "yaw":
        size = requested[:, 0].abs()
        at = (size - ERROR_AT_DEGREES).abs() < 0.5
        found["gain_within_30"] = slope(size < NEAR_DEGREES + 0.5)
        found["error_at_20"] = float((achieved - requested)[at].abs().mean()) if bool(at.any()) else None
    return found


@dataclass(frozen=True)
class Score:
    """One row of the table: how a method's edits by one control came out in one domain, beside the world's own true changes."""

    domain: str
    method: str
    measured: Measured
    world: Measured | None

    @property
    def judge_slope(self) -> float | None:
        return None if self.world is None else self.world.gain

    @property
    def judgeable(self) -> bool | None:
        return None if self.world is None else self.world.gain >= JUDGEABLE

    @property
    def share(self) -> float | None:
        """Gain in units of what the judge reads of a true change."""
        return self.measured.gain / self.world.gain if self.world is not None and self.judgeable else None

    @property
    def identity_ratio(self) -> float | None:
        own = self.measured.extras.get("identity")
        true = None if self.world is None else self.world.extras.get("identity")
        return None if own is None or not true else own / true

    def record(self) -> dict[str, Any]:
        """Plain values for the JSON report."""
        measured = self.measured
        row: dict[str, Any] = {"domain": self.domain, "method": self.method}
        row |= {name: getattr(measured, name) for name in ("control", "attribute", "unit", "edits", "gain", "target_error")}
        row |= {"judge_slope": self.judge_slope, "judgeable": self.judgeable, "share": self.share, **measured.details}
        row |= {"leakage": dict(measured.leakage), "leaked_on_others": measured.leaked}
        row |= {"pose_leakage_degrees": dict(measured.pose_leakage_degrees), **measured.extras}
        return row | {"identity_ratio": self.identity_ratio}


def world_record(domain: str, world: Measured) -> dict[str, Any]:
    """The judge's own scale for one control, as plain values."""
    row = {"domain": domain, "control": world.control, "edits": world.edits, "judge_slope": world.gain, **world.details, **world.extras}
    return row | {"leakage": dict(world.leakage), "leaked_on_others": world.leaked}
