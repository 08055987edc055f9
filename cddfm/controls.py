"""What a user may change: named controls with units and ranges, and how they become changes of face parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.config import nearest
from cddfm.errors import UserError
from cddfm.lighting import turn
from cddfm.morphable import MorphableModel
from cddfm.params import POSE_AXES, FaceParams

GROUPS = ("pose", "expression", "light", "shape", "albedo")
"""Groups of controls, as they are called at the command line; `shape` is the parameters' identity."""

ALIASES = {"smile": "mouthSmile", "frown": "mouthFrown", "blink": "eyeBlink", "sneer": "noseSneer"}

SIDES = ("_L", "_R")

WARMTH = 0.25
"""Warmth 1 makes red light stronger and blue light weaker by this part."""

TINT = 0.25
"""Tint 1 makes green light weaker by this part."""


@dataclass(frozen=True)
class Control:
    """One number that a user may change. `indices` are its places in the parameter group (none for light, which is turned as a whole),
    `weights` what a value of 1 adds at each (1 everywhere when empty).

    low, high: the values that are accepted. neutral: the value that changes nothing (1 for factors, else 0).
    """

    name: str
    group: str
    unit: str
    low: float
    high: float
    meaning: str
    indices: tuple[int, ...] = ()
    neutral: float = 0.0
    weights: tuple[float, ...] = ()


Change = tuple[Control, float]


@dataclass(frozen=True)
class Changes:
    """Controls and the values they are given; controls at their neutral value change nothing."""

    items: tuple[Change, ...] = ()

    def __add__(self, other: Changes) -> Changes:
        """Both; where both name a control, the right one's value holds."""
        merged = {(control.group, control.name): (control, value) for control, value in (*self.items, *other.items)}
        return Changes(tuple(merged.values()))

    def __bool__(self) -> bool:
        return bool(self._active())

    def __str__(self) -> str:
        return ", ".join(f"{control.name} {format_value(control, value)}" for control, value in self.items)

    def _active(self) -> list[Change]:
        return [(control, value) for control, value in self.items if value != control.neutral]

    def deltas(self, params: FaceParams) -> dict[str, Float[Tensor, "batch size"]]:
        """Raw changes of parameter groups, for the faces with these parameters. Groups that nothing changes are absent."""
        found: dict[str, Tensor] = {}
        light: dict[str, float] = {}
        for control, value in self._active():
            if control.group == "light":
                light[control.name] = value
                continue
            attribute = "identity" if control.group == "shape" else control.group
            delta = found.setdefault(attribute, torch.zeros_like(getattr(params, attribute)))
            step = math.radians(value) if control.group == "pose" else value
            delta[:, list(control.indices)] += delta.new_tensor(control.weights) * step if control.weights else step
        if light:
            found["light"] = _changed_light(params.light, light) - params.light
        return found


def _changed_light(light: Float[Tensor, "batch 27"], values: Mapping[str, float]) -> Float[Tensor, "batch 27"]:
    if "azimuth" in values or "elevation" in values:
        azimuth, elevation = (light.new_full((len(light),), math.radians(values.get(name, 0.0))) for name in ("azimuth", "elevation"))
        light = turn(light, azimuth, elevation)
    bands = light.unflatten(1, (9, 3))
    warmth = values.get("warmth", 0.0) * WARMTH
    tint = values.get("tint", 0.0) * TINT
    bands = bands * bands.new_tensor([1.0 + warmth, 1.0 - tint, 1.0 - warmth]) * values.get("intensity", 1.0)
    ambient = bands[:, :1] * values.get("ambient", 1.0)
    return torch.cat([ambient, bands[:, 1:]], dim=1).flatten(1)


def format_value(control: Control, value: float) -> str:
    """`+20°`, `+0.5`, `×1.2`."""
    if control.unit == "×":
        return f"×{value:.4g}"
    return f"{value:+.4g}{control.unit}"


LIGHT_CONTROLS = (
    Control("azimuth", "light", "°", -180.0, 180.0, "carries the light around the vertical axis, > 0 towards the viewer's right"),
    Control("elevation", "light", "°", -90.0, 90.0, "carries the light upwards"),
    Control("intensity", "light", "×", 0.0, 3.0, "factor on all light", neutral=1.0),
    Control("ambient", "light", "×", 0.0, 3.0, "factor on the light that comes from everywhere alike", neutral=1.0),
    Control("warmth", "light", "", -1.0, 1.0, "> 0 redder, < 0 bluer"),
    Control("tint", "light", "", -1.0, 1.0, "> 0 more magenta, < 0 greener"),
)

POSE_RANGE = {"pitch": 30.0, "yaw": 45.0, "roll": 30.0}
POSE_MEANING = {
    "pitch": "> 0 looks up",
    "yaw": "> 0 turns the face to the viewer's right",
    "roll": "> 0 turns the head counter-clockwise in the picture",
}


class Controls:
    """All controls that a morphable model offers, by group and name."""

    def __init__(self, model: MorphableModel):
        tables = {
            "pose": [
                Control(axis, "pose", "°", -POSE_RANGE[axis], POSE_RANGE[axis], POSE_MEANING[axis], (POSE_AXES.index(axis),))
                for axis in POSE_AXES
            ],
            "expression": _expressions(model),
            "light": list(LIGHT_CONTROLS),
            "shape": [Control(name, "shape", "σ", -4.0, 4.0, "", (i,)) for i, name in enumerate(model.identity_names)],
            "albedo": [Control(name, "albedo", "σ", -4.0, 4.0, "", (i,)) for i, name in enumerate(model.albedo_names)],
        }
        self.tables: dict[str, dict[str, Control]] = {
            group: {control.name: control for control in controls} for group, controls in tables.items()
        }

    def __iter__(self) -> Iterator[Control]:
        return (control for table in self.tables.values() for control in table.values())

    def find(self, name: str, group: str | None = None) -> Control:
        """The control of this name, in one group or in all; raises UserError with the nearest valid name."""
        groups = GROUPS if group is None else (group,)
        found = next((self.tables[g][name] for g in groups if name in self.tables[g]), None)
        if found is not None:
            return found
        elsewhere = next((g for g in GROUPS if name in self.tables[g]), None)
        if elsewhere is not None:
            raise UserError(f"{name!r} is no {group} control but belongs to --{elsewhere}")
        valid = [valid_name for g in groups for valid_name in self.tables[g]]
        kind = f"{group} control" if group else "control"
        raise UserError(f"there is no {kind} {name!r}: {nearest(name, valid)} ('cddfm controls' lists them all)")

    def parse(self, text: str, group: str) -> Changes:
        """`"yaw=20,pitch=-5"` → changes. Raises UserError for unknown or repeated names and values out of range."""
        items: dict[str, Change] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, separator, value = (piece.strip() for piece in part.partition("="))
            if not separator:
                raise UserError(f"--{group} needs name=value pairs joined by commas, got {part!r}")
            if name in items:
                raise UserError(f"{name!r} is given twice in --{group} {text!r}; give it once")
            control = self.find(name, group)
            items[name] = (control, _number(control, value))
        return Changes(tuple(items.values()))

    def parse_sweep(self, text: str) -> list[Changes]:
        """`"yaw=-30:30:7"` → seven changes from −30 to 30, ends included."""
        name, _, values = text.partition("=")
        pieces = values.split(":")
        if len(pieces) != 3 or not pieces[2].strip().isdigit() or not 2 <= int(pieces[2]) <= 64:
            raise UserError(f"--sweep needs name=first:last:count with a count from 2 to 64, such as yaw=-30:30:7, got {text!r}")
        control = self.find(name.strip())
        first, last = (_number(control, piece.strip()) for piece in pieces[:2])
        count = int(pieces[2])
        return [Changes(((control, first + (last - first) * k / (count - 1)),)) for k in range(count)]


def _number(control: Control, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{control.name}={text} is not a number; valid is {_range(control)}") from None
    if not control.low <= value <= control.high:
        raise UserError(f"{control.name}={text} is out of range; valid is {_range(control)}")
    return value


def _range(control: Control) -> str:
    return f"{control.low:g} to {control.high:g} {control.unit}".rstrip()


def _expressions(model: MorphableModel) -> list[Control]:
    """Every expression by its own name; the pair `x_L`, `x_R` also as `x`; a few everyday names. Components without a meaning of their
    own run in standard deviations; directions are named as what they were solved for."""
    names = model.expression_names
    solved = _directions(model)
    known_directions = {control.name: control for control in solved}
    pairs = [
        Control(
            name.removesuffix(SIDES[0]), "expression", "", -1.0, 1.0, "both sides", control.indices,
            weights=tuple(a + b for a, b in zip(control.weights, known_directions[other].weights, strict=True)),
        )
        for name, control in known_directions.items()
        if name.endswith(SIDES[0]) and (other := name.removesuffix(SIDES[0]) + SIDES[1]) in known_directions
    ]  # fmt: skip
    places: dict[str, tuple[int, ...]] = {}
    for name in names:
        stem = name.removesuffix(SIDES[0])
        if stem != name and stem + SIDES[1] in names and stem not in names:
            places[stem] = (names.index(name), names.index(stem + SIDES[1]))
    both = [Control(name, "expression", "", -1.0, 1.0, "both sides", found) for name, found in places.items()]
    single = [_component(name, index) for index, name in enumerate(names)]
    known = {control.name: control for control in (*single, *both, *solved, *pairs)}
    alias = [
        replace(known[full], name=short, meaning=f"the same as {full}")
        for short, full in ALIASES.items()
        if full in known and short not in known
    ]
    return [*alias, *pairs, *solved, *both, *single]


def _component(name: str, index: int) -> Control:
    if name.startswith("expression") and name.removeprefix("expression").isdigit():
        return Control(name, "expression", "σ", -4.0, 4.0, "", (index,))
    return Control(name, "expression", "", -1.0, 1.0, "", (index,))


def _directions(model: MorphableModel) -> list[Control]:
    """Expressions that combine the model's components."""
    if model.directions is None:
        return []
    every = tuple(range(len(model.expression_names)))
    rows = zip(model.direction_names, model.directions.tolist(), strict=True)
    return [Control(name, "expression", "", -1.0, 1.0, "combines the model's components", every, weights=tuple(row)) for name, row in rows]
