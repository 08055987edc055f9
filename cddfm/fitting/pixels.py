"""Pixels: the colours that the face skin should have, and their derivatives by every parameter, visibility being held.

At a fixed pixel a moving surface shows other material: with A the attributes (albedo, normal) across the picture and u the motion of the
surface in it, dA = −∇A · u + (the change of A where the material is). ∇A is exact within each triangle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from cddfm.fitting.subject import Subject, Turn, projection
from cddfm.lighting import harmonics, shade, to_srgb
from cddfm.params import LIGHT_BANDS
from cuda_ops.rasterize import rasterize, vertex_normals

COLUMNS = 48
"""Shape coefficients whose normals are derived at once; bounds the memory, not the result."""


@dataclass(frozen=True)
class View:
    """Pixels that show skin, and what lies there. pixel: index into the flattened picture. corner: skin vertices of the pixel's triangle.
    weight: their perspective-correct shares. head, normals: the skin's vertices and unit normals before pose. attributes: albedo and
    (turned, not normalised) normal. colour: sRGB in [0, 1]."""

    pixel: Int[Tensor, pixels]
    corner: Int[Tensor, "pixels 3"]
    weight: Float[Tensor, "pixels 3"]
    head: Float[Tensor, "skin 3"]
    normals: Float[Tensor, "skin 3"]
    turn: Turn
    surface: Float[Tensor, "skin 6"]
    placed: Float[Tensor, "skin 3"]
    attributes: Float[Tensor, "pixels 6"]
    colour: Float[Tensor, "pixels 3"]


def look(subject: Subject, flat: Float[Tensor, total], resolution: int, stride: int = 1) -> View:
    """Draw the skin; of the pixels that show it, keep every `stride`-th."""
    params, mesh = subject.params(flat), subject.mesh
    turn = Turn.of(params.pose[0])
    head = subject.skin(flat)
    normals = vertex_normals(head[None], mesh.triangles)[0]
    placed = subject.placed(head, flat)
    fragments = rasterize(subject.camera.project(placed[None]), mesh.triangles, resolution, cull=True)
    face = fragments.face.flatten()
    pixel = (face >= 0).nonzero().squeeze(1)[::stride]
    corner = mesh.triangles[face[pixel]]
    weight = fragments.barycentric.flatten(0, 2)[pixel]
    albedo = (mesh.albedo_mean + subject.tone @ params.albedo[0]).clamp(0.0, 1.0)
    surface = torch.cat([albedo, normals @ turn.matrix.T], dim=1)
    attributes = _blend(surface, corner, weight)
    return View(pixel, corner, weight, head, normals, turn, surface, placed, attributes, colours(attributes, params.light))


def colours(attributes: Float[Tensor, "pixels 6"], light: Float[Tensor, "1 27"]) -> Float[Tensor, "pixels 3"]:
    """sRGB in [0, 1] of lit skin."""
    normal = functional.normalize(attributes[:, 3:], dim=1, eps=1e-6)
    return (to_srgb(attributes[:, :3] * shade(normal[None], light)[0].clamp(min=0.0)) + 1) / 2


def _blend(values: Float[Tensor, "skin *size"], corner: Tensor, weight: Tensor) -> Float[Tensor, "pixels *size"]:
    """Values of vertices at pixels."""
    flat = values.flatten(1)
    parts = [flat.index_select(0, corner[:, k]) * weight[:, k, None] for k in range(3)]
    return (parts[0] + parts[1] + parts[2]).unflatten(1, values.shape[1:])


def light_jacobian(view: View, light: Float[Tensor, "1 27"]) -> Float[Tensor, "pixels 3 27"]:
    """Derivatives of the colours by light."""
    normal = functional.normalize(view.attributes[:, 3:], dim=1, eps=1e-6)
    slope = _curve(view.attributes[:, :3] * shade(normal[None], light)[0].clamp(min=0.0)) * view.attributes[:, :3]
    bands = harmonics(normal)
    jacobian = light.new_zeros(len(bands), 3, LIGHT_BANDS, 3)
    for channel in range(3):
        jacobian[:, channel, :, channel] = slope[:, channel, None] * bands
    return jacobian.flatten(2)


def albedo_jacobian(subject: Subject, view: View, light: Float[Tensor, "1 27"]) -> Float[Tensor, "pixels 3 albedo"]:
    """Derivatives of the colours by albedo."""
    normal = functional.normalize(view.attributes[:, 3:], dim=1, eps=1e-6)
    shading = shade(normal[None], light)[0].clamp(min=0.0)
    return (_curve(view.attributes[:, :3] * shading) * shading).unsqueeze(2) * _blend(subject.tone, view.corner, view.weight)


def _curve(linear: Tensor) -> Tensor:
    """Slope of the sRGB curve; 0 where the picture is burnt out."""
    value = linear.clamp(0.0, 1.0)
    slope = 1.055 / 2.4 * value.clamp(min=0.0031308) ** (1 / 2.4 - 1)
    return torch.where(value <= 0.0031308, 12.92, slope) * (linear < 1.0)


def pixel_jacobian(subject: Subject, view: View, flat: Float[Tensor, total]) -> Float[Tensor, "pixels 3 total"]:
    """Derivatives of the colours by every parameter."""
    params, slices = subject.params(flat), subject.layout.slices
    of_attributes = _attribute_slopes(view, params.light)
    pivot = subject.model.pivot
    points = _blend(view.head - pivot, view.corner, view.weight)
    _, motion = projection(subject.camera, _blend(view.placed, view.corner, view.weight))
    of_place = -(of_attributes @ _across(subject, view)) @ motion
    of_normal = of_attributes[:, :, 3:]
    jacobian = flat.new_empty(len(view.pixel), 3, subject.layout.total)
    jacobian[:, :, slices["albedo"]] = albedo_jacobian(subject, view, params.light)
    jacobian[:, :, slices["light"]] = light_jacobian(view, params.light)
    jacobian[:, :, slices["translation"]] = of_place
    material = _blend(view.normals, view.corner, view.weight)
    swing = [torch.einsum("ijk,nj->nik", view.turn.derivative, arms) for arms in (points, material)]
    jacobian[:, :, slices["pose"]] = of_place @ swing[0] + of_normal @ swing[1]
    of_place, of_normal = of_place @ view.turn.matrix, of_normal @ view.turn.matrix
    wanted = torch.zeros(len(view.head), dtype=torch.bool, device=flat.device)
    wanted[view.corner.flatten()] = True
    triangles = subject.mesh.triangles[wanted[subject.mesh.triangles].any(dim=1)]
    count = subject.shape.shape[2]
    for first in range(0, count, COLUMNS):
        part = slice(first, min(first + COLUMNS, count))
        basis = subject.shape[:, :, part]
        bent = _normal_slopes(view.head, triangles, basis)
        moved = of_place @ _blend(basis, view.corner, view.weight)
        jacobian[:, :, part] = moved + of_normal @ _blend(bent, view.corner, view.weight)
    return jacobian


def _attribute_slopes(view: View, light: Tensor) -> Float[Tensor, "pixels 3 6"]:
    """How each pixel's colour changes with its attributes."""
    with torch.enable_grad():
        attributes = view.attributes.detach().requires_grad_()
        seen = colours(attributes, light)
        rows = [torch.autograd.grad(seen[:, channel].sum(), attributes, retain_graph=True)[0] for channel in range(3)]
    return torch.stack(rows, dim=1)


def _across(subject: Subject, view: View) -> Float[Tensor, "pixels 6 2"]:
    """∇A: how attributes change from place to place (ndc) within each pixel's triangle."""
    ndc = subject.camera.project(view.placed[None])[0]
    x, y, depth = ndc[view.corner].unbind(-1)
    after, before = [1, 2, 0], [2, 0, 1]
    slope = torch.stack([y[:, after] - y[:, before], x[:, before] - x[:, after]], dim=-1) / depth.unsqueeze(-1)
    # Shares are qᵢ / Σ q with qᵢ affine in the picture; Σ q = area / depth.
    twice = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    total = twice * (view.weight / depth).sum(1)
    change = (slope - view.weight.unsqueeze(-1) * slope.sum(1, keepdim=True)) / total.view(-1, 1, 1)
    return torch.einsum("nia,nix->nax", view.surface[view.corner], change)


def _normal_slopes(
    points: Float[Tensor, "skin 3"], triangles: Int[Tensor, "chosen 3"], basis: Float[Tensor, "skin 3 columns"]
) -> Float[Tensor, "skin 3 columns"]:
    """Derivatives of unit vertex normals when the points move along each basis; right for vertices with all their triangles."""
    a, b, c = triangles.unbind(1)
    u, v = points[b] - points[a], points[c] - points[a]
    base = basis.index_select(0, a)
    du, dv = basis.index_select(0, b) - base, basis.index_select(0, c) - base
    crossed = torch.empty_like(du)
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        crossed[:, axis] = (du[:, one] * v[:, two, None]).addcmul_(u[:, one, None], dv[:, two])
        crossed[:, axis].addcmul_(du[:, two], v[:, one, None], value=-1).addcmul_(u[:, two, None], dv[:, one], value=-1)
    across = torch.linalg.cross(u, v)
    total, change = torch.zeros_like(points), torch.zeros_like(basis)
    for corner in (a, b, c):
        total.index_add_(0, corner, across)
        change.index_add_(0, corner, crossed)
    length = total.norm(dim=1).clamp(min=1e-10)
    unit = total / length[:, None]
    along = (unit.unsqueeze(2) * change).sum(1, keepdim=True)
    return (change - unit.unsqueeze(2) * along) / length.view(-1, 1, 1)
