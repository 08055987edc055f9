"""Conditional generation (StyleRig): random faces that are all given the same values of some parameters, and differ in all else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.controls import Changes, Control
from cddfm.edit import generated_styles
from cddfm.errors import UserError
from cddfm.lighting import dominant, turn
from cddfm.methods import Method
from cddfm.params import SH_CONSTANT, FaceParams
from cddfm.stack import Stack
from stylespace.generator import Generator

ABSOLUTE_LIGHT = ("azimuth", "elevation", "intensity")
"""Light controls with a value of their own; the others only change a light."""


def check_absolute(values: Changes) -> Changes:
    """The same, if each control can be given as a value instead of a change; raises UserError otherwise."""
    for control, _ in values.items:
        if control.group == "light" and control.name not in ABSOLUTE_LIGHT:
            raise UserError(f"light {control.name!r} changes a light but has no value of its own; sample takes {', '.join(ABSOLUTE_LIGHT)}")
    return values


def with_values(params: FaceParams, values: Changes) -> FaceParams:
    """The faces with these parameters set: poses in degrees, coefficients as they are, light by where its most comes from.

    intensity: mean shading, 1 under the neutral light. A control that combines components moves a face along its direction only.
    """
    light = {control.name: value for control, value in values.items if control.group == "light"}
    groups: dict[str, Tensor] = {"light": _lit(params.light, light)} if light else {}
    for control, value in values.items:
        if control.group != "light":
            attribute = "identity" if control.group == "shape" else control.group
            before = groups.get(attribute, getattr(params, attribute))
            groups[attribute] = _set(before, control, math.radians(value) if attribute == "pose" else value)
    return params.replace(**groups)


def _set(before: Float[Tensor, "batch size"], control: Control, value: float) -> Float[Tensor, "batch size"]:
    after, places = before.clone(), list(control.indices)
    if not control.weights:
        after[:, places] = value
        return after
    direction = before.new_tensor(control.weights)
    lack = value - before[:, places] @ direction / direction.square().sum()
    after[:, places] += lack[:, None] * direction
    return after


def _lit(light: Float[Tensor, "batch 27"], values: dict[str, float]) -> Float[Tensor, "batch 27"]:
    azimuth, elevation = dominant(light)
    if "azimuth" in values or "elevation" in values:
        to_azimuth = torch.full_like(azimuth, math.radians(values["azimuth"])) if "azimuth" in values else azimuth
        to_elevation = torch.full_like(elevation, math.radians(values["elevation"])) if "elevation" in values else elevation
        ahead = turn(light, -azimuth, torch.zeros_like(azimuth))
        light = turn(ahead, to_azimuth, to_elevation - elevation)
    if "intensity" in values:
        shading = light[:, :3].mean(dim=1, keepdim=True) * SH_CONSTANT
        light = light * values["intensity"] / shading.clamp(min=1e-3)
    return light


@torch.no_grad()
def sample_styles(stack: Stack, method: Method, seeds: Sequence[int], values: Changes) -> Float[Tensor, "batch style"]:
    """Codes of the seeds' faces with the values put in; what a face has is read by the method itself."""
    s = generated_styles(stack, list(seeds))
    own = method.predict(s)
    wanted = with_values(own, values)
    groups = {"identity" if control.group == "shape" else control.group for control, _ in values.items}
    return method.edit(s, {group: getattr(wanted, group) - getattr(own, group) for group in groups})


@torch.no_grad()
def draw(generator: Generator, s: Float[Tensor, "batch style"]) -> list[Float[Tensor, "1 3 side side"]]:
    """One picture after the other, so that many faces take no more memory than one."""
    return [generator.synthesise(one) for one in s.split(1)]
