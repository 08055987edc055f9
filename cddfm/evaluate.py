"""How well edits work: gain, target error and leakage on generated faces, per domain, method and control, judged by the judge alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.controls import Changes, Control, Controls
from cddfm.data import HELD_OUT_SEED
from cddfm.edit import METHODS, edit_styles, generated_styles
from cddfm.metrics import gain, leakage, pose_leakage_degrees, spread, target_error, touched_by
from cddfm.params import ATTRIBUTES, POSE_AXES, FaceParams, ParamLayout
from cddfm.report import progress_bar, show_table
from cddfm.sheet import Cell, Row, draw_sheet
from cddfm.stack import Stack
from stylespace.generator import Generator
from stylespace.weights import read_notes, write_atomically

BATCH = 50

POSE_SWEEPS = {"yaw": (-20.0, -10.0, 10.0, 20.0), "pitch": (-12.0, 12.0), "roll": (-10.0, 10.0)}
EXPRESSIONS = ("smile", "jawOpen", "browInnerUp", "eyeBlink", "mouthPucker")
EXPRESSION_TARGETS = (0.0, 0.5, 1.0)
LIGHT_SWEEP = (-60.0, -30.0, 30.0, 60.0)
DIRECTION_SWEEP = (-2.0, 2.0)
"""Degrees; strengths that an expression is set to; degrees of azimuth; standard deviations along one random unit direction per face."""

Deltas = dict[str, Tensor]


@dataclass(frozen=True)
class Sweep:
    """One control, and the edits that it is judged by: each takes the faces' parameters (and their first number) to changes."""

    name: str
    attribute: str
    unit: str
    edits: tuple[Callable[[FaceParams, int], Deltas], ...]


@dataclass(frozen=True)
class Score:
    """One row of the table; leakage in population standard deviations, None where the edit asks for the change itself."""

    domain: str
    method: str
    control: str
    attribute: str
    unit: str
    gain: float
    target_error: float
    leakage: dict[str, float | None]
    pose_leakage_degrees: dict[str, float | None]


def sweeps(controls: Controls, seed: int) -> list[Sweep]:
    """Everything that is judged. Expressions are set to a strength, all else changes from where it is."""

    def change(name: str, group: str, value: float) -> Callable[[FaceParams, int], Deltas]:
        changes = Changes(((controls.find(name, group), value),))
        return lambda params, first: changes.deltas(params)

    found = [Sweep(axis, "pose", "degrees", tuple(change(axis, "pose", value) for value in values)) for axis, values in POSE_SWEEPS.items()]
    for name in EXPRESSIONS:
        if name in controls.tables["expression"]:
            control = controls.find(name, "expression")
            found.append(Sweep(name, "expression", "coefficient", tuple(_set_expression(control, t) for t in EXPRESSION_TARGETS)))
    found.append(Sweep("azimuth", "light", "SH", tuple(change("azimuth", "light", value) for value in LIGHT_SWEEP)))
    for attribute in ("identity", "albedo"):
        edits = tuple(_along_direction(attribute, value, seed) for value in DIRECTION_SWEEP)
        found.append(Sweep(attribute, attribute, "sigma", edits))
    return found


def _set_expression(control: Control, target: float) -> Callable[[FaceParams, int], Deltas]:
    """Each of the control's components to the target; of a direction, what the face has along it."""
    indices = list(control.indices)

    def edit(params: FaceParams, first: int) -> Deltas:
        delta, chosen = torch.zeros_like(params.expression), params.expression[:, indices]
        if control.weights:
            weights = chosen.new_tensor(control.weights)
            delta[:, indices] = (target - chosen @ weights / (weights @ weights))[:, None] * weights
        else:
            delta[:, indices] = target - chosen
        return {"expression": delta}

    return edit


def _along_direction(attribute: str, value: float, seed: int) -> Callable[[FaceParams, int], Deltas]:
    """One random unit direction per face; a function of the seed and the face's number."""

    def edit(params: FaceParams, first: int) -> Deltas:
        width = getattr(params, attribute).shape[1]
        generators = [torch.Generator().manual_seed(seed + first + k) for k in range(len(params))]
        directions = torch.stack([torch.randn(width, generator=generator) for generator in generators])
        return {attribute: (value * directions / directions.norm(dim=1, keepdim=True)).to(params.pose.device)}

    return edit


@torch.no_grad()
def evaluate(
    stack: Stack, faces: int = 200, seed: int = HELD_OUT_SEED, domains: Sequence[str] | None = None, values: int = 1
) -> list[Score]:
    """Scores of every domain and method on `faces` generated faces (seeds from `seed` on).

    Each face takes `values` edits of each sweep, beginning with another one than its neighbour, so that all are taken equally often.
    """
    names = list(domains) if domains else stack.domains()
    plan = sweeps(Controls(stack.model), seed)
    batches = range(0, faces, BATCH)
    codes = [generated_styles(stack, list(range(seed + first, seed + min(first + BATCH, faces)))) for first in batches]
    total = len(names) * faces * (1 + len(METHODS) * sum(min(values, len(sweep.edits)) for sweep in plan))
    scores, done = [], 0
    with progress_bar("evaluating", total=total) as advance:

        def judged(generator: Generator, s: Tensor) -> Tensor:
            nonlocal done
            done += len(s)
            flat = stack.judge(generator.synthesise(s)).flatten()
            advance(done, {})
            return flat

        for domain in names:
            generator = stack.domain(domain)
            before = [judged(generator, s) for s in codes]
            scale = spread(torch.cat(before))
            for method in METHODS:
                for sweep in plan:
                    requested, achieved = [], []
                    for first, s, origin in zip(batches, codes, before, strict=True):
                        for turn in range(min(values, len(sweep.edits))):
                            deltas = _edits_by_turn(sweep, stack.editor.predict(s), first, turn)
                            after = judged(generator, edit_styles(stack, s, deltas, method))
                            requested.append(_flat_request(stack.editor.layout, deltas, s))
                            achieved.append(after - origin)
                    scores.append(_score(domain, method, sweep, stack.editor.layout, torch.cat(requested), torch.cat(achieved), scale))
    return scores


def _edits_by_turn(sweep: Sweep, params: FaceParams, first: int, turn: int) -> Deltas:
    """Changes of a batch in which face k of all takes edit (k + turn) modulo their number."""
    choices = torch.stack([edit(params, first)[sweep.attribute] for edit in sweep.edits])
    faces = torch.arange(len(params), device=choices.device)
    return {sweep.attribute: choices[(faces + first + turn) % len(sweep.edits), faces]}


def _flat_request(layout: ParamLayout, deltas: Deltas, s: Tensor) -> Float[Tensor, "batch total"]:
    flat = s.new_zeros(len(s), layout.total)
    for attribute, delta in deltas.items():
        flat[:, layout.slices[attribute]] = delta
    return flat


def _score(
    domain: str,
    method: str,
    sweep: Sweep,
    layout: ParamLayout,
    requested: Float[Tensor, "edits total"],
    achieved: Float[Tensor, "edits total"],
    scale: Float[Tensor, total],
) -> Score:
    touched = touched_by(requested)
    error = target_error(requested, achieved, touched)
    return Score(
        domain=domain,
        method=method,
        control=sweep.name,
        attribute=sweep.attribute,
        unit=sweep.unit,
        gain=gain(requested, achieved),
        target_error=math.degrees(error) if sweep.attribute == "pose" else error,
        leakage=leakage(layout, achieved, scale, touched),
        pose_leakage_degrees=pose_leakage_degrees(layout, achieved, touched),
    )


def write_report(path: Path, stack: Stack, scores: Sequence[Score], faces: int, seed: int, values: int = 1) -> None:
    """The scores with everything that makes them mean something: who judged, what, in which units, on how many faces."""
    document: dict[str, Any] = {
        "judge": {"network": type(stack.judge).__name__, "arguments": stack.judge.arguments, "notes": read_notes(stack.path("judge"))},
        "faces": faces,
        "values_of_each_sweep_per_face": values,
        "seed": seed,
        "resolution": stack.generator.resolution,
        "definitions": {
            "gain": "slope of judged against requested change, least squares through zero, inner product over the attribute",
            "target_error": "mean absolute difference of judged and requested change over the parameters asked to change; in `unit`",
            "leakage": "mean absolute judged change of parameters not asked to change, in standard deviations of the judged unedited faces",
            "pose_leakage_degrees": "mean absolute judged change of pose axes not asked to change, in degrees",
        },
        "sweeps": {
            "pose": {name: list(values) for name, values in POSE_SWEEPS.items()},
            "expression": {"controls": list(EXPRESSIONS), "set_to": list(EXPRESSION_TARGETS)},
            "light": {"azimuth": list(LIGHT_SWEEP)},
            "identity, albedo": {"along one random unit direction per face": list(DIRECTION_SWEEP)},
        },
        "scores": [asdict(score) for score in scores],
    }
    write_atomically(path, json.dumps(document, indent=2).encode())


def show_scores(scores: Sequence[Score], faces: int) -> None:
    columns = ("domain", "method", "control", "gain", "error", "unit", *ATTRIBUTES, *(f"{axis}°" for axis in POSE_AXES))
    rows: list[tuple[object, ...]] = []
    breaks = []
    for index, score in enumerate(scores):
        axes = score.pose_leakage_degrees
        leaks = [score.leakage[attribute] for attribute in ATTRIBUTES]
        measured = (score.gain, score.target_error, score.unit, *leaks, *(axes[axis] for axis in POSE_AXES))
        rows.append((score.domain, score.method, score.control, *measured))
        following = scores[index + 1] if index + 1 < len(scores) else None
        if following is None or (following.domain, following.method) != (score.domain, score.method):
            breaks.append(index)
    show_table(f"{faces} generated faces; leakage per attribute in population sd, then pose axes in degrees", columns, rows, breaks)


PICTURE_FACES = 3
PICTURE_EDITS = (("yaw", -20.0), ("yaw", 20.0), ("pitch", 12.0), ("smile", 1.0), ("jawOpen", 1.0), ("azimuth", 60.0))


@torch.no_grad()
def draw_examples(stack: Stack, seed: int = HELD_OUT_SEED, domains: Sequence[str] | None = None) -> Any:
    """A sheet with a few of the judged faces, every domain, the same edits by the editor."""
    controls = Controls(stack.model)
    s = generated_styles(stack, list(range(seed, seed + PICTURE_FACES)))
    params = stack.editor.predict(s)
    edits = [Changes()]
    edits += [Changes(((controls.find(name), value),)) for name, value in PICTURE_EDITS if any(name in t for t in controls.tables.values())]
    rows = []
    for domain in domains or stack.domains():
        generator = stack.domain(domain)
        images = [generator.synthesise(edit_styles(stack, s, changes.deltas(params), "cddfm")) for changes in edits]
        for k in range(len(s)):
            cells = [
                Cell(image[k], str(changes) if changes else "as generated", marked=not changes)
                for changes, image in zip(edits, images, strict=True)
            ]
            rows.append(Row(cells, domain if k == 0 else ""))
    return draw_sheet(rows, "Generated faces and their edits", f"seeds {seed} to {seed + len(s) - 1}; method cddfm")
