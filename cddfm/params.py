"""Face parameters: the six groups of numbers that describe a face in a picture, and how they are laid out flat."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

ATTRIBUTES = ("identity", "expression", "albedo", "pose", "light")
"""The groups that can be edited; translation is what alignment removes."""

GROUPS = (*ATTRIBUTES, "translation")

POSE_AXES = ("pitch", "yaw", "roll")

LIGHT_BANDS = 9


@dataclass(frozen=True)
class ParamLayout:
    """Sizes of the groups and where each lies in the flat vector (order of `GROUPS`).

    The first three sizes are the morphable model's; pose is 3 angles, light 9 bands × RGB, translation 3 centimetres.
    """

    identity: int
    expression: int
    albedo: int

    @property
    def sizes(self) -> dict[str, int]:
        return {
            "identity": self.identity,
            "expression": self.expression,
            "albedo": self.albedo,
            "pose": len(POSE_AXES),
            "light": LIGHT_BANDS * 3,
            "translation": 3,
        }

    @property
    def slices(self) -> dict[str, slice]:
        table, start = {}, 0
        for group, size in self.sizes.items():
            table[group] = slice(start, start + size)
            start += size
        return table

    @property
    def total(self) -> int:
        return sum(self.sizes.values())


@dataclass(frozen=True)
class FaceParams:
    """A batch of face parameters.

    identity, expression, albedo: coefficients in units of the model's standard deviations (named expressions: 0 to 1).
    pose: pitch, yaw, roll in radians. light: 9 spherical-harmonic bands × RGB, band-major. translation: centimetres.
    """

    identity: Float[Tensor, "batch identity"]
    expression: Float[Tensor, "batch expression"]
    albedo: Float[Tensor, "batch albedo"]
    pose: Float[Tensor, "batch 3"]
    light: Float[Tensor, "batch 27"]
    translation: Float[Tensor, "batch 3"]

    @property
    def layout(self) -> ParamLayout:
        return ParamLayout(self.identity.shape[1], self.expression.shape[1], self.albedo.shape[1])

    def __len__(self) -> int:
        return self.pose.shape[0]

    def __getitem__(self, index: slice | Tensor) -> FaceParams:
        return FaceParams(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> FaceParams:
        return FaceParams(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def replace(self, **groups: Tensor) -> FaceParams:
        """The same faces with some groups exchanged."""
        return FaceParams(**{field.name: groups.pop(field.name, getattr(self, field.name)) for field in fields(self)}, **groups)

    def flatten(self) -> Float[Tensor, "batch total"]:
        return torch.cat([getattr(self, group) for group in GROUPS], dim=1)

    @staticmethod
    def unflatten(layout: ParamLayout, flat: Float[Tensor, "batch total"]) -> FaceParams:
        """Inverse of `flatten`; raises ValueError when the width is not the layout's."""
        if flat.shape[1] != layout.total:
            raise ValueError(f"a flat parameter vector has {flat.shape[1]} numbers where the layout has {layout.total}")
        return FaceParams(**{group: flat[:, part] for group, part in layout.slices.items()})

    @staticmethod
    def neutral(layout: ParamLayout, batch: int, device: torch.device | str = "cpu") -> FaceParams:
        """The mean face, frontal, under white ambient light that renders albedo unchanged."""
        flat = torch.zeros(batch, layout.total, device=device)
        params = FaceParams.unflatten(layout, flat)
        light = params.light.clone()
        light[:, :3] = 1.0 / SH_CONSTANT
        return params.replace(light=light)


SH_CONSTANT = 0.28209479177387814
"""Y_0 = 1 / √(4π): the value of the constant spherical harmonic."""


@dataclass(frozen=True)
class ParamStatistics:
    """Mean and standard deviation of every flat parameter over a population; what networks standardise by."""

    mean: Float[Tensor, total]
    deviation: Float[Tensor, total]

    @staticmethod
    def measure(flat: Float[Tensor, "samples total"]) -> ParamStatistics:
        """Deviations below 1e-4 (parameters that never vary) count as 1, so that standardising is always defined."""
        deviation = flat.std(dim=0)
        return ParamStatistics(flat.mean(dim=0), torch.where(deviation > 1e-4, deviation, torch.ones_like(deviation)))

    def standardise(self, flat: Float[Tensor, "batch total"]) -> Float[Tensor, "batch total"]:
        return (flat - self.mean) / self.deviation

    def restore(self, standard: Float[Tensor, "batch total"]) -> Float[Tensor, "batch total"]:
        return standard * self.deviation + self.mean
