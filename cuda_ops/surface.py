"""The pixels that see a triangle, listed by the triangle's kind, with the vertices' attributes at each. Without gradients.

Contract: pixels are sorted by kind, those of one kind by image, row and column; so what one kind of surface shows is a slice of every list.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cuda_ops import native
from cuda_ops.rasterize import locate_pixels, to_screen


@dataclass(frozen=True)
class SurfacePixels:
    """image, row, column: of each pixel. starts: the first pixel of each kind, and at the end the number of pixels. attributes,
    depth: perspective-correct at the pixel's centre."""

    image: Int[Tensor, pixels]
    row: Int[Tensor, pixels]
    column: Int[Tensor, pixels]
    starts: tuple[int, ...]
    attributes: Float[Tensor, "channels pixels"]
    depth: Float[Tensor, pixels]


@torch.no_grad()
def sample_surface(
    vertices: Float[Tensor, "batch vertices 3"],
    triangles: Int[Tensor, "triangles 3"],
    face: Int[Tensor, "batch size size"],
    kind: Int[Tensor, triangles],
    kinds: int,
    attributes: Float[Tensor, "channels batch vertices"],
) -> SurfacePixels:
    """vertices: (ndc x, ndc y, depth). face: what each pixel sees (`rasterize.visible_faces`). kind: of each triangle, below `kinds`."""
    if vertices.device.type == "cpu" and vertices.dtype == attributes.dtype == torch.float32 and native.load("cpu"):
        screen = to_screen(vertices, face.shape[-1])
        image, row, column, starts, values, depth = native.operators(screen).sample_surface(
            screen, triangles.contiguous(), face.contiguous(), kind.contiguous(), kinds, attributes.contiguous()
        )
        return SurfacePixels(image, row, column, tuple(starts.tolist()), values, depth)
    return _sample(vertices, triangles, face, kind, kinds, attributes)


def _sample(vertices: Tensor, triangles: Tensor, face: Tensor, kind: Tensor, kinds: int, attributes: Tensor) -> SurfacePixels:
    """The same in torch's operators."""
    rows = (face >= 0).nonzero(as_tuple=True)
    of_pixel, order = kind[face[rows]].sort(stable=True)
    image, row, column = (index.index_select(0, order) for index in rows)
    corners = triangles.t().index_select(1, face[image, row, column]) + image * vertices.shape[1]
    weights, depth = locate_pixels(vertices, corners, (image, row, column), face.shape[-1])
    flat = attributes.flatten(1)
    first, second, third = (flat.index_select(1, corner) * weight for corner, weight in zip(corners, weights, strict=True))
    starts = torch.searchsorted(of_pixel, torch.arange(kinds + 1, device=face.device))
    return SurfacePixels(image, row, column, tuple(starts.tolist()), first + second + third, depth)
