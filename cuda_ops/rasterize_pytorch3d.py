"""The rasteriser's contract kept by pytorch3d (`pytorch3d.renderer.mesh.rasterize_meshes`), for those who have it installed.

pytorch3d's ndc has x to the left where ours has x to the right; y is up and the top row comes first in both, and its pixel centres lie
where ours do. It counts triangles through the whole batch, and writes −1 where it sees nothing. Gradients of the first order only.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from jaxtyping import Float, Int
from torch import Tensor


def available() -> bool:
    """Whether pytorch3d is installed; does not import it."""
    return find_spec("pytorch3d") is not None


def rasterize_pytorch3d(
    vertices: Float[Tensor, "batch vertices 3"], triangles: Int[Tensor, "triangles 3"], resolution: int, cull: bool = False
) -> tuple[Int[Tensor, "batch height width"], Float[Tensor, "batch height width 3"], Float[Tensor, "batch height width"]]:
    """Face, barycentrics and depth as in `cuda_ops.rasterize.Fragments`. Raises RuntimeError where pytorch3d cannot be imported."""
    try:
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise RuntimeError(f"the rasteriser 'pytorch3d' needs pytorch3d, which cannot be imported ({error}); use 'ours'") from error
    # Triangles that reach behind the camera are ours to drop: pytorch3d drops only those that lie there whole.
    whole = (vertices.detach()[..., 2] > 0)[:, triangles].all(dim=-1)
    kept = [mask.nonzero().squeeze(1) for mask in whole]
    meshes = Meshes(list(vertices * vertices.new_tensor([-1.0, 1.0, 1.0])), [triangles[index] for index in kept])
    packed, depth, barycentric, _ = rasterize_meshes(
        meshes,
        image_size=resolution,
        blur_radius=0.0,
        faces_per_pixel=1,
        perspective_correct=True,
        clip_barycentric_coords=False,
        cull_backfaces=cull,
    )
    packed, depth, barycentric = packed[..., 0], depth[..., 0], barycentric[..., 0, :]
    seen = packed >= 0
    own = torch.cat(kept)
    face = torch.full_like(packed, -1)
    face[seen] = own[packed[seen]]
    return face, torch.where(seen.unsqueeze(-1), barycentric, 0.0), torch.where(seen, depth, 0.0)
