"""Triangles → which face each pixel sees and where on it: a z-buffer in plain torch, differentiable in the vertices.

Visibility enumerates the pixels in each triangle's bounding box and keeps the largest 1/depth (ties: the smaller face index), without
gradients. Barycentric coordinates are then computed again at the visible pixels, with gradients, perspective-correct.
Pixel centres lie at x = (ndc_x + 1)·R/2 − 0.5, y = (1 − ndc_y)·R/2 − 0.5; row 0 is the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cuda_ops import native, visibility

CANDIDATES = {"cpu": 1 << 16, "cuda": 1 << 24}
"""Triangle–pixel pairs that are tested at once, by kind of device (as many as its cache likes); the result does not depend on it."""

EDGE_TOLERANCE = 1e-4
"""Barycentric slack that keeps shared edges closed under rounding."""


OURS, PYTORCH3D = BACKENDS = ("ours", "pytorch3d")
"""Who looks: the code in here, or pytorch3d where it is installed (cuda_ops/rasterize_pytorch3d.py)."""


@dataclass(frozen=True)
class Fragments:
    """What each pixel sees. face: index of the triangle, −1 where empty. barycentric: perspective-correct weights of its corners, 0 where
    empty. depth: in the vertices' unit, 0 where empty."""

    face: Int[Tensor, "batch height width"]
    barycentric: Float[Tensor, "batch height width 3"]
    depth: Float[Tensor, "batch height width"]


def rasterize(
    vertices: Float[Tensor, "batch vertices 3"],
    triangles: Int[Tensor, "triangles 3"],
    resolution: int,
    cull: bool = False,
    backend: str = OURS,
) -> Fragments:
    """vertices: (ndc x, ndc y, depth), y up; triangles that touch depth ≤ 0 are dropped.

    cull: drop triangles that wind clockwise on screen (back faces of a closed mesh). backend: one of `BACKENDS`.
    """
    if backend != OURS:
        return Fragments(*_backend(backend)(vertices, triangles, resolution, cull))
    screen = to_screen(vertices, resolution)
    with torch.no_grad():
        face = _visible(screen.detach().float(), triangles, resolution, cull)
    locate = torch.ops.cuda_ops.locate if _compiled(screen) else _locate
    return Fragments(face, *locate(screen, triangles, face))


def _backend(name: str) -> Callable[[Tensor, Tensor, int, bool], tuple[Tensor, Tensor, Tensor]]:
    if name != PYTORCH3D:
        raise ValueError(f"there is no rasteriser {name!r}; choose one of {', '.join(BACKENDS)}")
    from cuda_ops.rasterize_pytorch3d import rasterize_pytorch3d

    return rasterize_pytorch3d


def _compiled(screen: Tensor) -> bool:
    return screen.device.type == "cpu" and screen.dtype == torch.float32 and native.load("cpu")


def to_screen(vertices: Float[Tensor, "*shape 3"], resolution: int) -> Float[Tensor, "*shape 3"]:
    """(ndc x, ndc y, depth) → (column, row, depth), pixel centres at whole numbers."""
    x, y, depth = vertices.unbind(-1)
    return torch.stack([(x + 1) * (resolution / 2) - 0.5, (1 - y) * (resolution / 2) - 0.5, depth], dim=-1)


@torch.no_grad()
def visible_faces(
    vertices: Float[Tensor, "batch vertices 3"], triangles: Int[Tensor, "triangles 3"], resolution: int, cull: bool = False
) -> Int[Tensor, "batch height width"]:
    """The face index of `rasterize` alone: enough where only some pixels are looked at more closely (`locate_pixels`)."""
    return _visible(to_screen(vertices, resolution).float(), triangles, resolution, cull)


@torch.no_grad()
def locate_pixels(
    vertices: Float[Tensor, "batch vertices 3"],
    corners: Int[Tensor, "3 pixels"],
    pixels: tuple[Int[Tensor, pixels], Int[Tensor, pixels], Int[Tensor, pixels]],
    resolution: int,
) -> tuple[Float[Tensor, "3 pixels"], Float[Tensor, pixels]]:
    """Perspective-correct barycentrics and depth at chosen pixels (image, row, column) of known faces.

    corners: of each pixel's face, as indices into the vertices of the whole batch (image · vertices + vertex).
    """
    flat = to_screen(vertices, resolution).flatten(0, 1)
    picked = [flat.index_select(0, corner).t().contiguous() for corner in corners]
    row, column = pixels[1].to(flat.dtype), pixels[2].to(flat.dtype)
    x, y, depth = ([point[axis] for point in picked] for axis in range(3))
    x, y = [value - column for value in x], [value - row for value in y]
    edge = torch.stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])
    weight = edge / torch.stack(depth)
    total = weight[0] + weight[1] + weight[2]
    area = edge[0] + edge[1] + edge[2]
    return weight / total, area / total


def _visible(screen: Tensor, triangles: Tensor, resolution: int, cull: bool) -> Int[Tensor, "batch height width"]:
    """Index of the nearest triangle at each pixel."""
    if _compiled(screen):
        return visibility.visible_faces(screen, triangles, resolution, cull, EDGE_TOLERANCE)
    batch, faces = screen.shape[0], triangles.shape[0]
    corner = triangles.t().flatten()
    x, y, depth = (plane.index_select(1, corner).view(batch, 3, faces).unbind(1) for plane in screen.unbind(-1))
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    left, right = _span(x, resolution)
    top, bottom = _span(y, resolution)
    shown = (left <= right) & (top <= bottom) & (torch.minimum(torch.minimum(depth[0], depth[1]), depth[2]) > 0)
    shown &= (area < -1e-9) if cull else (area.abs() > 1e-9)
    which = shown.flatten().nonzero().squeeze(1)

    def pick(value: Tensor) -> Tensor:
        return value.reshape(-1).index_select(0, which)

    inverse = [1.0 / pick(d) for d in depth]
    scale = 1.0 / pick(area)
    x0, y0 = pick(x[0]), pick(y[0])
    x1, y1, x2, y2 = pick(x[1]) - x0, pick(y[1]) - y0, pick(x[2]) - x0, pick(y[2]) - y0
    left, top = pick(left), pick(top)
    width = pick(right) - left + 1
    count = (width * (pick(bottom) - top + 1)).long()
    # Weights of corners 1 and 2, and 1/depth, are affine in the pixel; measured from the bounding box's first pixel.
    dx, dy = left - x0, top - y0
    plane = torch.stack(
        [
            (dx * y2 - dy * x2) * scale,
            y2 * scale,
            -x2 * scale,
            (dy * x1 - dx * y1) * scale,
            -y1 * scale,
            x1 * scale,
            inverse[0],
            inverse[1] - inverse[0],
            inverse[2] - inverse[0],
            width,
        ]
    )
    face = which % faces
    origin = (which // faces) * (resolution * resolution) + top.long() * resolution + left.long()
    nearest = torch.zeros(batch * resolution * resolution, dtype=torch.int64, device=screen.device)
    ends = count.cumsum(0)
    for part in _chunks(ends):
        _scatter_nearest(nearest, plane[:, part], count[part], face[part], origin[part], resolution)
    seen = 0xFFFFFFFF - (nearest & 0xFFFFFFFF)
    return torch.where(nearest > 0, seen, -1).view(batch, resolution, resolution)


def _span(corner: tuple[Tensor, ...], resolution: int) -> tuple[Tensor, Tensor]:
    """First and last pixel centre between the corners' extremes, inside the picture."""
    low = torch.minimum(torch.minimum(corner[0], corner[1]), corner[2]).ceil().clamp(min=0)
    high = torch.maximum(torch.maximum(corner[0], corner[1]), corner[2]).floor().clamp(max=resolution - 1)
    return low, high


def _chunks(ends: Int[Tensor, shown]) -> list[slice]:
    """Runs of triangles with about `CANDIDATES` pixels together."""
    if ends.numel() == 0:
        return []
    total = int(ends[-1])
    most = CANDIDATES.get(ends.device.type, CANDIDATES["cpu"])
    marks = torch.arange(most, max(total, most), most, device=ends.device)
    cuts = [0, *torch.searchsorted(ends, marks, right=True).tolist(), ends.numel()]
    return [slice(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]


def _scatter_nearest(nearest: Tensor, plane: Tensor, count: Tensor, face: Tensor, origin: Tensor, resolution: int) -> None:
    """Enter these triangles into the buffer of keys (bits of 1/depth, then the face index counted downwards)."""
    total = int(count.sum())
    owner = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count, output_size=total)
    first = count.cumsum(0) - count
    local = torch.arange(total, device=count.device) - first[owner]
    a0, ax, ay, b0, bx, by, near, near1, near2, width = plane.index_select(1, owner).unbind(0)
    row = torch.floor((local.float() + 0.5) / width)
    column = local.float() - row * width
    one = a0 + column * ax + row * ay
    two = b0 + column * bx + row * by
    inside = (torch.minimum(torch.minimum(one, two), 1 - one - two) >= -EDGE_TOLERANCE).nonzero().squeeze(1)
    one, two, owner = one[inside], two[inside], owner[inside]
    depth = (near[inside] + one * near1[inside] + two * near2[inside]).clamp(min=1e-12)
    key = (depth.view(torch.int32).long() << 32) | (0xFFFFFFFF - face[owner])
    pixel = origin[owner] + (row[inside] * resolution + column[inside]).long()
    nearest.scatter_reduce_(0, pixel, key, "amax")


def _locate(screen: Tensor, triangles: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
    """Perspective-correct barycentrics and depth at every pixel's face, differentiable in `screen`."""
    batch, height, width = face.shape
    covered = (face >= 0).unsqueeze(-1)
    corner = _gather(screen, triangles, face)
    x, y, depth = corner.unbind(-1)
    column = torch.arange(width, device=face.device, dtype=screen.dtype)[None, None, :]
    row = torch.arange(height, device=face.device, dtype=screen.dtype)[None, :, None]
    x, y = x - column.unsqueeze(-1), y - row.unsqueeze(-1)
    edge = torch.stack(
        [
            x[..., 1] * y[..., 2] - x[..., 2] * y[..., 1],
            x[..., 2] * y[..., 0] - x[..., 0] * y[..., 2],
            x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0],
        ],
        dim=-1,
    )
    area = edge.sum(-1, keepdim=True)
    flat = torch.where(covered, edge / torch.where(covered, area, torch.ones_like(area)), torch.zeros_like(edge))
    weight = flat / torch.where(covered, depth, torch.ones_like(depth))
    total = weight.sum(-1, keepdim=True)
    distance = 1.0 / torch.where(covered, total, torch.ones_like(total))
    empty = torch.zeros_like(distance)
    return weight * distance, torch.where(covered, distance, empty).squeeze(-1)


visibility.composition = _locate


def _gather(values: Tensor, triangles: Tensor, face: Tensor) -> Float[Tensor, "batch height width 3 channels"]:
    """Values at the three corners of each pixel's face (of face 0 where empty)."""
    batch, vertices, channels = values.shape
    corner = triangles[face.clamp(min=0)]
    offset = torch.arange(batch, device=face.device).view(-1, 1, 1, 1) * vertices
    return values.reshape(-1, channels).index_select(0, (corner + offset).flatten()).view(*face.shape, 3, channels)


def interpolate(
    attributes: Float[Tensor, "*batch vertices channels"], triangles: Int[Tensor, "triangles 3"], fragments: Fragments
) -> Float[Tensor, "batch height width channels"]:
    """Attributes of vertices, per image or shared, at every pixel; 0 where nothing is seen."""
    if attributes.dim() == 2:
        corner = attributes[triangles[fragments.face.clamp(min=0)]]
    else:
        corner = _gather(attributes, triangles, fragments.face)
    weight = fragments.barycentric.unsqueeze(-1)
    return corner[..., 0, :] * weight[..., 0, :] + corner[..., 1, :] * weight[..., 1, :] + corner[..., 2, :] * weight[..., 2, :]


def vertex_normals(vertices: Float[Tensor, "batch vertices 3"], triangles: Int[Tensor, "triangles 3"]) -> Float[Tensor, "batch vertices 3"]:
    """Unit normals: area-weighted means over the triangles around each vertex, outward for counter-clockwise winding."""
    if _compiled(vertices) and native.unobserved(vertices):
        return native.operators(vertices).vertex_normals(vertices.contiguous(), triangles.contiguous())
    planar = vertices.permute(1, 2, 0)
    a, b, c = (planar.index_select(0, corner) for corner in triangles.unbind(1))
    u, v = b - a, c - a
    across = torch.stack(
        [u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1], u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2], u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]], dim=1
    )
    total = torch.zeros_like(planar)
    for corner in triangles.unbind(1):
        total = total.index_add(0, corner, across)
    x, y, z = total.unbind(1)
    length = (x * x + y * y + z * z).clamp(min=1e-20).sqrt()
    return (total / length.unsqueeze(1)).permute(2, 0, 1)
