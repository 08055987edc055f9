"""A morphable model as fitting looks at it, and where its points lie for one face.

The unknowns are one face's flat parameters (`ParamLayout`: identity, expression, albedo, pose, light, translation). Identity and expression
together are called its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.camera import Camera, place, rotation
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams, ParamLayout
from cddfm.render import SkinMesh, skin_mesh


@dataclass(frozen=True)
class Subject:
    """A model and the camera that looks at it. Bases have the coefficient last, so that one vertex's numbers lie together."""

    model: MorphableModel
    camera: Camera

    @property
    def layout(self) -> ParamLayout:
        return self.model.layout

    @cached_property
    def mesh(self) -> SkinMesh:
        return skin_mesh(self.model)

    @cached_property
    def shape(self) -> Float[Tensor, "skin 3 shape"]:
        return self._shape(self.mesh.chosen)

    @cached_property
    def tone(self) -> Float[Tensor, "skin 3 albedo"]:
        return self.model.albedo_basis[:, self.mesh.chosen].permute(1, 2, 0).contiguous()

    @cached_property
    def landmark_shape(self) -> Float[Tensor, "68 3 shape"]:
        return self._shape(self.model.landmarks)

    def _shape(self, index: Tensor) -> Tensor:
        both = torch.cat([self.model.identity_basis[:, index], self.model.expression_basis[:, index]])
        return both.permute(1, 2, 0).contiguous()

    def params(self, flat: Float[Tensor, total]) -> FaceParams:
        return FaceParams.unflatten(self.layout, flat[None])

    def coefficients(self, flat: Float[Tensor, total]) -> Float[Tensor, shape]:
        """Identity and expression."""
        return flat[: self.layout.identity + self.layout.expression]

    def landmarks(self, flat: Float[Tensor, total]) -> Float[Tensor, "68 3"]:
        """The landmarks before pose, in the parameters' precision."""
        mean = self.model.mean[self.model.landmarks].to(flat)
        return mean + self.landmark_shape.to(flat) @ self.coefficients(flat)

    def skin(self, flat: Float[Tensor, total]) -> Float[Tensor, "skin 3"]:
        """The skin's vertices before pose."""
        return self.mesh.mean + self.shape @ self.coefficients(flat)

    def placed(self, points: Float[Tensor, "points 3"], flat: Float[Tensor, total]) -> Float[Tensor, "points 3"]:
        params = self.params(flat)
        return place(points[None], params.pose, params.translation, self.model.pivot.to(flat))[0]


@dataclass(frozen=True)
class Turn:
    """The head's rotation and its derivative by pitch, yaw and roll."""

    matrix: Float[Tensor, "3 3"]
    derivative: Float[Tensor, "3 3 3"]

    @staticmethod
    def of(pose: Float[Tensor, 3]) -> Turn:
        """derivative[:, :, k] is the change of the matrix with angle k: a turn about the axis that this angle turns about."""
        matrix, zero = rotation(pose[None])[0], torch.zeros_like(pose[0])
        across = torch.stack([-pose[2].sin(), pose[2].cos(), zero])
        axes = torch.stack([-matrix[:, 0], across, torch.stack([zero, zero, zero + 1])])
        changes = torch.linalg.cross(axes[:, :, None].expand(-1, -1, 3), matrix.expand(3, -1, -1), dim=1)
        return Turn(matrix, changes.permute(1, 2, 0))


def projection(camera: Camera, points: Float[Tensor, "points 3"]) -> tuple[Float[Tensor, "points 2"], Float[Tensor, "points 2 3"]]:
    """Where placed points fall (ndc, y up), and how that changes as they move."""
    x, y, z = points.unbind(-1)
    depth = camera.distance - z
    near, zero = camera.focal / depth, torch.zeros_like(depth)
    across, up = near * (x - camera.centre_x), near * (y - camera.centre_y)
    rows = torch.stack([near, zero, across / depth], dim=-1), torch.stack([zero, near, up / depth], dim=-1)
    return torch.stack([across, up], dim=-1), torch.stack(rows, dim=-2)
