"""The interface of every morphable face model: the built-in head today, loaded ones to the same contract."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.params import ParamLayout


@dataclass(frozen=True)
class MorphableModel:
    """A linear model of face geometry and reflectance (3DMM; Blanz and Vetter 1999).

    geometry(identity, expression) = mean + identity · identity_basis + expression · expression_basis
    albedo(albedo) = clamp(albedo_mean + albedo · albedo_basis, 0, 1)

    Geometry is in centimetres (x to the head's left, y up, z forward, origin midway between the eyes). Bases are in units of
    standard deviations; expression bases are displacements at full strength 1. Albedo is linear RGB reflectance in [0, 1].
    Triangles wind counter-clockwise seen from outside. `landmarks` are vertex indices in iBUG-68 order. `skin` marks the vertices
    whose look the model explains (face skin without mouth interior, eyes, ears' back, neck): photometric losses use only these.
    `pivot` is the point about which the head turns.
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

    @property
    def layout(self) -> ParamLayout:
        return ParamLayout(self.identity_basis.shape[0], self.expression_basis.shape[0], self.albedo_basis.shape[0])

    def to(self, device: torch.device | str) -> MorphableModel:
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})

    def vertices(
        self, identity: Float[Tensor, "batch identity"], expression: Float[Tensor, "batch expression"]
    ) -> Float[Tensor, "batch vertices 3"]:
        """Geometry in the head's own frame, before pose."""
        offsets = identity @ self.identity_basis.flatten(1) + expression @ self.expression_basis.flatten(1)
        return self.mean + offsets.unflatten(1, (-1, 3))

    def reflectance(self, albedo: Float[Tensor, "batch albedo"]) -> Float[Tensor, "batch vertices 3"]:
        return (self.albedo_mean + (albedo @ self.albedo_basis.flatten(1)).unflatten(1, (-1, 3))).clamp(0.0, 1.0)
