"""Face parameters → picture, mask, depth, normals, landmarks: the differentiable renderer of the face skin alone.

Differentiable in every parameter: colours through albedo and shading, geometry through normals and barycentric coordinates
(visibility itself has no gradient). Colour = albedo · shading in linear RGB, then the sRGB curve.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera, place, to_pixels
from cddfm.lighting import shade, to_srgb
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cuda_ops.rasterize import OURS, interpolate, rasterize, vertex_normals


@dataclass(frozen=True)
class Rendering:
    """image: sRGB in [−1, 1], −1 outside the mask. mask: share of each pixel that the face covers. landmarks: ndc, y up. visible: which of
    them lie in the picture with nothing of the skin before them. depth: cm from the camera; normals: unit, in the world's axes; both 0
    where the face is not seen (of the supersampled picture's top left sample in each pixel)."""

    image: Float[Tensor, "batch 3 height width"]
    mask: Float[Tensor, "batch 1 height width"]
    landmarks: Float[Tensor, "batch 68 2"]
    depth: Float[Tensor, "batch height width"]
    normals: Float[Tensor, "batch 3 height width"]
    visible: Bool[Tensor, "batch 68"]


@dataclass(frozen=True)
class SkinMesh:
    """The part of a model that is drawn: triangles between skin vertices, renumbered."""

    chosen: Int[Tensor, skin]
    triangles: Int[Tensor, "triangles 3"]
    mean: Float[Tensor, "skin 3"]
    identity_basis: Float[Tensor, "identity coordinates"]
    expression_basis: Float[Tensor, "expression coordinates"]
    albedo_mean: Float[Tensor, "skin 3"]
    albedo_basis: Float[Tensor, "albedo coordinates"]


HIDDEN = 0.3
"""Centimetres by which something must stand before a landmark to hide it: more than a coarse depth buffer errs."""

_MESHES: dict[int, tuple[weakref.ref, SkinMesh]] = {}


def skin_mesh(model: MorphableModel) -> SkinMesh:
    """The model's skin as a compact mesh, made once for each model object."""
    known = _MESHES.get(id(model))
    if known is not None and known[0]() is model:
        return known[1]
    triangles = model.triangles[model.skin[model.triangles].all(dim=1)]
    chosen, renumbered = torch.unique(triangles, return_inverse=True)
    mesh = SkinMesh(
        chosen,
        renumbered,
        model.mean[chosen],
        model.identity_basis[:, chosen].flatten(1),
        model.expression_basis[:, chosen].flatten(1),
        model.albedo_mean[chosen],
        model.albedo_basis[:, chosen].flatten(1),
    )
    key = id(model)
    _MESHES[key] = (weakref.ref(model, lambda _: _MESHES.pop(key, None)), mesh)
    return mesh


def render(
    model: MorphableModel,
    params: FaceParams,
    resolution: int,
    camera: Camera | None = None,
    supersample: int = 1,
    backend: str = OURS,
) -> Rendering:
    """Draw the face skin at resolution × supersample and average down. backend: one of `cuda_ops.rasterize.BACKENDS`."""
    camera = camera or Camera()
    mesh = skin_mesh(model)
    offsets = params.identity @ mesh.identity_basis + params.expression @ mesh.expression_basis
    vertices = place(mesh.mean + offsets.unflatten(1, (-1, 3)), params.pose, params.translation, model.pivot)
    albedo = (mesh.albedo_mean + (params.albedo @ mesh.albedo_basis).unflatten(1, (-1, 3))).clamp(0.0, 1.0)
    surface = torch.cat([albedo, vertex_normals(vertices, mesh.triangles)], dim=-1)
    fragments = rasterize(camera.project(vertices), mesh.triangles, resolution * supersample, cull=True, backend=backend)
    seen = interpolate(surface, mesh.triangles, fragments)
    mask = (fragments.face >= 0).to(seen.dtype).unsqueeze(1)
    normals = functional.normalize(seen[..., 3:], dim=-1, eps=1e-6)
    colour = (seen[..., :3] * shade(normals, params.light).clamp(min=0.0)).permute(0, 3, 1, 2) * mask
    if supersample > 1:
        mask, colour = functional.avg_pool2d(mask, supersample), functional.avg_pool2d(colour, supersample)
    image = to_srgb(colour / mask.clamp(min=1e-6))
    points = _landmarks(model, params, camera)
    visible = seen_points(points, fragments.depth)
    depth, facing = fragments.depth[:, ::supersample, ::supersample], normals[:, ::supersample, ::supersample]
    return Rendering(image, mask, points[..., :2], depth, facing.permute(0, 3, 1, 2), visible)


@torch.no_grad()
def seen_points(
    points: Float[Tensor, "batch points 3"], depth: Float[Tensor, "batch height width"], margin: float = HIDDEN
) -> Bool[Tensor, "batch points"]:
    """Which points (ndc x, ndc y, depth) lie in the picture and, at one of the four pixels around them at least, not behind its surface."""
    side = depth.shape[-1]
    pixels = to_pixels(points[..., :2], side)
    inside = ((pixels >= -0.5) & (pixels <= side - 0.5)).all(dim=-1) & (points[..., 2] > 0)
    first = pixels.nan_to_num(0.0).clamp(-1, side).floor().long()
    surface = torch.where(depth > 0, depth, torch.inf).flatten(1)
    farthest = torch.zeros_like(points[..., 2])
    for across in (0, 1):
        for down in (0, 1):
            column, row = (first[..., 0] + across).clamp(0, side - 1), (first[..., 1] + down).clamp(0, side - 1)
            farthest = torch.maximum(farthest, surface.gather(1, row * side + column))
    return inside & (points[..., 2] <= farthest + margin)


def project_landmarks(
    model: MorphableModel, params: FaceParams, camera: Camera | None = None
) -> Float[Tensor, "batch 68 2"]:
    """Where the 68 landmarks fall, in ndc (y up), seen or hidden."""
    return _landmarks(model, params, camera or Camera())[..., :2]


def _landmarks(model: MorphableModel, params: FaceParams, camera: Camera) -> Float[Tensor, "batch 68 3"]:
    """ndc and depth."""
    index = model.landmarks
    offsets = params.identity @ model.identity_basis[:, index].flatten(1) + params.expression @ model.expression_basis[:, index].flatten(1)
    points = place(model.mean[index] + offsets.unflatten(1, (-1, 3)), params.pose, params.translation, model.pivot)
    return camera.project(points)
