"""How people's heads differ: named deformation fields, each in units of one standard deviation of the measured figures."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from cddfm.head.clay import Clay
from cddfm.head.features import EYES, SHAPE
from cddfm.head.groups import ASYMMETRY, GROUPS, PRIVATE
from cddfm.head.numerics import soft_step
from cddfm.head.sculpt import EYE_CENTRE
from cddfm.head.template import Template

Field = Callable[[Clay], Tensor]


def with_eyes_whole(clay: Clay, displacement: Tensor) -> Float[Tensor, "vertices 3"]:
    """Eyeballs, lids and their rims shifted as wholes by what the face around them does, so that nothing pierces anything."""
    template = clay.template
    whole = displacement.clone()
    for name, sign, numbers in (("R", -1.0, range(36, 42)), ("L", 1.0, range(42, 48))):
        shift = displacement[template.landmarks[list(numbers)]].mean(dim=0)
        distance = ((clay.x - sign * EYE_CENTRE[0]) ** 2 + 1.3 * (clay.y - EYE_CENTRE[1]) ** 2).sqrt()
        near = soft_step(distance, 2.1, 1.25) * (clay.z > -4.0)
        near[template.part[f"eyeball_{name}"]] = 1.0
        near[template.part[f"rim_{name}"]] = 1.0
        whole = whole + near[:, None] * (shift - whole)
    return whole


def identity_modes(template: Template) -> dict[str, Float[Tensor, "vertices 3"]]:
    """Displacement in cm per standard deviation, by name."""
    clay = Clay(template)
    modes = {name: with_eyes_whole(clay, field(clay)) for name, field in SHAPE.items()}
    modes |= {name: field(clay) for name, field in EYES.items()}
    modes |= {name: with_eyes_whole(clay, field(clay)) for name, field in ASYMMETRY.items()}
    modes = {name: template.attach(template.bald(mode) + clay.own_hair(name)) for name, mode in modes.items()}
    groups = {name: sum(amount * modes[part] for part, amount in recipe.items()) for name, recipe in GROUPS.items()}
    return groups | {name: mode for name, mode in modes.items() if name not in PRIVATE}
