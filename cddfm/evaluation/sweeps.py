"""What is asked of every method: the controls, their values, and which face takes which by turn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.controls import ALIASES, SIDES, Changes, Control, Controls
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams

POSE_SWEEPS = {
    "yaw": (-20.0, 20.0, -45.0, 45.0, -30.0, 30.0, -10.0, 10.0),
    "pitch": (-12.0, 12.0, -20.0, 20.0, -6.0, 6.0),
    "roll": (-10.0, 10.0, -15.0, 15.0, -5.0, 5.0),
}
"""Degrees by which the head is turned from where it is."""

EXPRESSION_TARGETS = (1.0, 0.5, 0.0)
"""Strengths that an expression is set to, whatever it was."""

LIGHT_SWEEP = (-45.0, 45.0, -90.0, 90.0)
"""Degrees of azimuth by which the light is carried around the head."""

DIRECTION_SWEEP = (-2.0, 2.0, -1.0, 1.0)
"""Standard deviations along one random unit direction for each face."""

EXPRESSIONS_PER_FACE = 3

GAZE = {
    "gazeUp": (("eyeLookUp_L", "eyeLookUp_R"), ("eyeLookDown_L", "eyeLookDown_R")),
    "gazeDown": (("eyeLookDown_L", "eyeLookDown_R"), ("eyeLookUp_L", "eyeLookUp_R")),
    "gazeLeft": (("eyeLookOut_L", "eyeLookIn_R"), ("eyeLookIn_L", "eyeLookOut_R")),
    "gazeRight": (("eyeLookIn_L", "eyeLookOut_R"), ("eyeLookOut_L", "eyeLookIn_R")),
}
"""Both eyes to one side (the sitter's own): what is set, and the opposite that is set to 0 with it."""

Request = Callable[[FaceParams, float, int], Tensor]
"""(one face's parameters, value, number of the face) → change of the attribute [1, size], in raw units."""


@dataclass(frozen=True)
class Sweep:
    """One control and the values that it is judged at."""

    name: str
    attribute: str
    unit: str
    values: tuple[float, ...]
    request: Request


@dataclass(frozen=True)
class Ask:
    """One edit of each face of a batch; all of one attribute, each by a control of its own."""

    attribute: str
    controls: tuple[str, ...]
    deltas: Float[Tensor, "batch size"]


@dataclass(frozen=True)
class Slot:
    """Sweeps of one attribute that take turns: a face takes the next `share` of all their (control, value) pairs."""

    sweeps: tuple[Sweep, ...]
    share: int = 1

    @property
    def pairs(self) -> list[tuple[Sweep, float]]:
        """Every control at its first value, then every control at its second, …"""
        return [(sweep, sweep.values[place]) for place in range(len(self.sweeps[0].values)) for sweep in self.sweeps]

    def asks(self, params: FaceParams, first: int, seed: int) -> list[Ask]:
        """The edits of faces first, first + 1, … with these parameters; a function of the face's number and the seed alone."""
        pairs, attribute = self.pairs, self.sweeps[0].attribute
        found = []
        for turn in range(min(self.share, len(pairs))):
            chosen = [pairs[((first + k) * self.share + turn) % len(pairs)] for k in range(len(params))]
            deltas = [sweep.request(params[k : k + 1], value, seed + first + k) for k, (sweep, value) in enumerate(chosen)]
            found.append(Ask(attribute, tuple(sweep.name for sweep, _ in chosen), torch.cat(deltas)))
        return found


def make_plan(model: MorphableModel, faces: int) -> list[Slot]:
    """Everything that is judged, for this many faces: each takes one value of every control, but of the expressions only a few names (as
    many as few faces need to take all of them)."""
    controls = Controls(model)
    slots = [Slot((Sweep(axis, "pose", "degrees", values, _change(controls.find(axis, "pose"))),)) for axis, values in POSE_SWEEPS.items()]
    expressions = expression_sweeps(model, controls)
    if expressions:
        slots.append(Slot(tuple(expressions), max(EXPRESSIONS_PER_FACE, math.ceil(len(expressions) / faces))))
    slots.append(Slot((Sweep("azimuth", "light", "SH", LIGHT_SWEEP, _change(controls.find("azimuth", "light"))),)))
    for attribute in ("identity", "albedo"):
        slots.append(Slot((Sweep(attribute, attribute, "sigma", DIRECTION_SWEEP, _along_direction(attribute)),)))
    return slots


def sweeps_of(plan: list[Slot]) -> list[Sweep]:
    return [sweep for slot in plan for sweep in slot.sweeps]


def edits_of(plan: list[Slot]) -> int:
    """Edits that each face takes."""
    return sum(min(slot.share, len(slot.pairs)) for slot in plan)


def expression_sweeps(model: MorphableModel, controls: Controls) -> list[Sweep]:
    """Every named expression: left and right together, the eyes' eight as four directions of gaze; numbered components are left out."""
    table, names = controls.tables["expression"], model.expression_names
    looks = all(name in names for parts in GAZE.values() for side in parts for name in side)
    sides = {name + side for name in table for side in SIDES}

    def counts(name: str, control: Control) -> bool:
        alias = ALIASES.get(name) in table
        return not (alias or name in sides or control.unit == "σ" or (looks and name.startswith("eyeLook")))

    requests = {name: _set_expression(control) for name, control in table.items() if counts(name, control)}
    if looks:
        requests |= {name: _set_gaze([names.index(n) for n in on], [names.index(n) for n in off]) for name, (on, off) in GAZE.items()}
    return [Sweep(name, "expression", "coefficient", EXPRESSION_TARGETS, request) for name, request in requests.items()]


def _change(control: Control) -> Request:
    """From where it is, by the value."""

    def request(params: FaceParams, value: float, face: int) -> Tensor:
        return Changes(((control, value),)).deltas(params)[control.group]

    return request


def _set_expression(control: Control) -> Request:
    """Each of the control's components to the value; of a direction, what the face has along it."""
    indices = list(control.indices)

    def request(params: FaceParams, value: float, face: int) -> Tensor:
        delta, chosen = torch.zeros_like(params.expression), params.expression[:, indices]
        if control.weights:
            weights = chosen.new_tensor(control.weights)
            delta[:, indices] = (value - chosen @ weights / (weights @ weights))[:, None] * weights
        else:
            delta[:, indices] = value - chosen
        return delta

    return request


def _set_gaze(turned: list[int], opposite: list[int]) -> Request:
    def request(params: FaceParams, value: float, face: int) -> Tensor:
        delta = torch.zeros_like(params.expression)
        delta[:, turned] = value - params.expression[:, turned]
        delta[:, opposite] = -params.expression[:, opposite]
        return delta

    return request


def _along_direction(attribute: str) -> Request:
    """One random unit direction for each face."""

    def request(params: FaceParams, value: float, face: int) -> Tensor:
        current = getattr(params, attribute)
        direction = torch.randn(current.shape[1], generator=torch.Generator().manual_seed(face))
        return (value * direction / direction.norm()).to(current)[None]

    return request
