"""The interface of every morphable face model: the built-in head, and loaded ones to the same contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.params import ParamLayout

PARTS = ("surface", "eyeball_R", "eyeball_L", "teeth", "mouth", "overlay")
"""What a vertex belongs to: the skin of head and neck; eyeballs; teeth; gums, tongue and the mouth's inside; transparent films such as
lashes and tears, which are not drawn."""


@dataclass(frozen=True)
class MorphableModel:
    """A linear model of face geometry and reflectance (3DMM; Blanz and Vetter 1999).

    geometry(identity, expression) = mean + identity · identity_basis + expression · expression_basis
    albedo(albedo) = clamp(albedo_mean + albedo · albedo_basis, 0, 1)

    Geometry is in centimetres (x to the head's left, y up, z forward, origin midway between the eyes). Bases are in units of
    standard deviations; named expressions are displacements at full strength 1. Albedo is linear RGB reflectance in [0, 1].
    Triangles wind counter-clockwise seen from outside. `landmarks` are vertex indices in iBUG-68 order. `skin` marks the vertices
    whose look the model explains (face skin without mouth interior, eyes, ears' back, neck): photometric losses use only these.
    `pivot` is the point about which the head turns.

    `directions` are expressions that the model has no component for, as combinations of its components at strength 1, named by
    `direction_names`. `joints` are where the mean head's joints lie (centimetres), for models that have some. `parts` indexes `PARTS`;
    absent where all is surface. `source` says which kind of file a loaded model came from.
    """

    name: str
    mean: Float[Tensor, "vertices 3"]
    identity_basis: Float[Tensor, "identity vertices 3"]
    expression_basis: Float[Tensor, "expression vertices 3"]
    albedo_mean: Float[Tensor, "vertices 3"]
    albedo_basis: Float[Tensor, "albedo vertices 3"]
    triangles: Int[Tensor, "triangles 3"]
    landmarks: Int[Tensor, 68]
    skin: Bool[Tensor, vertices]
    pivot: Float[Tensor, 3]
    identity_names: tuple[str, ...]
    expression_names: tuple[str, ...]
    albedo_names: tuple[str, ...]
    direction_names: tuple[str, ...] = ()
    directions: Float[Tensor, "named expression"] | None = None
    joint_names: tuple[str, ...] = ()
    joints: Float[Tensor, "joints 3"] | None = None
    parts: Int[Tensor, vertices] | None = None
    source: str = ""

    @property
    def layout(self) -> ParamLayout:
        return ParamLayout(self.identity_basis.shape[0], self.expression_basis.shape[0], self.albedo_basis.shape[0])

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that is there, by the name of its field."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}

    def to(self, device: torch.device | str) -> MorphableModel:
        return replace(self, **{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def vertices(
        self, identity: Float[Tensor, "batch identity"], expression: Float[Tensor, "batch expression"]
    ) -> Float[Tensor, "batch vertices 3"]:
        """Geometry in the head's own frame, before pose."""
        offsets = identity @ self.identity_basis.flatten(1) + expression @ self.expression_basis.flatten(1)
        return self.mean + offsets.unflatten(1, (-1, 3))

    def reflectance(self, albedo: Float[Tensor, "batch albedo"]) -> Float[Tensor, "batch vertices 3"]:
        return (self.albedo_mean + (albedo @ self.albedo_basis.flatten(1)).unflatten(1, (-1, 3))).clamp(0.0, 1.0)

    def part(self, *names: str) -> Bool[Tensor, vertices]:
        """The vertices of these `PARTS`."""
        if self.parts is None:
            return torch.full_like(self.skin, "surface" in names)
        return torch.isin(self.parts, self.parts.new_tensor([PARTS.index(name) for name in names]))

    def expression(self, strengths: Mapping[str, float]) -> Float[Tensor, expression]:
        """Coefficients of named expressions at these strengths: components, directions, and `x` for the pair `x_L`, `x_R`.

        Raises KeyError for a name that the model has in no form.
        """
        total = self.mean.new_zeros(len(self.expression_names))
        for name, strength in strengths.items():
            if name in self.direction_names and self.directions is not None:
                total = total + strength * self.directions[self.direction_names.index(name)]
                continue
            own = [part for part in (name, f"{name}_L", f"{name}_R") if part in self.expression_names]
            if not own:
                raise KeyError(name)
            for part in own[:1] if own[0] == name else own:
                total[self.expression_names.index(part)] += strength
        return total

    def truncated(self, identity: int | None = None, expression: int | None = None, albedo: int | None = None) -> MorphableModel:
        """The model with its first components only. Directions lose what they had in the components that fall away."""
        return replace(
            self,
            identity_basis=self.identity_basis[:identity],
            identity_names=self.identity_names[:identity],
            expression_basis=self.expression_basis[:expression],
            expression_names=self.expression_names[:expression],
            directions=None if self.directions is None else self.directions[:, :expression],
            albedo_basis=self.albedo_basis[:albedo],
            albedo_names=self.albedo_names[:albedo],
        )
