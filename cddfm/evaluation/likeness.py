"""How alike two pictures are: PSNR, SSIM (anywhere or outside the face), cosine of embeddings."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera, place
from cddfm.images import brightness
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.planes import smooth
from cddfm.render import skin_mesh
from cuda_ops.rasterize import rasterize

SSIM_SIGMA, SSIM_RADIUS = 1.5, 5
"""Pixels: the Gaussian window of Wang et al. 2004."""

SSIM_CONSTANTS = (0.01**2, 0.03**2)

MARGIN = 0.04
"""Share of the picture's side by which the face's mask is widened before what lies outside is compared."""


def psnr(a: Float[Tensor, "batch 3 height width"], b: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
    """Peak signal-to-noise ratio in dB of sRGB pictures in [−1, 1] (peak 2); at most 100 for equal ones."""
    error = (a.clamp(-1, 1) - b.clamp(-1, 1)).square().mean(dim=(1, 2, 3)) / 4
    return -10 * error.clamp(min=1e-10).log10()


def ssim_map(a: Float[Tensor, "batch 3 height width"], b: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """Structural similarity of brightness at every pixel (Wang et al. 2004), edges mirrored; pictures in [−1, 1]."""
    x, y = brightness(a), brightness(b)
    blurred = smooth(torch.cat([x, y, x * x, y * y, x * y], dim=1), SSIM_SIGMA, SSIM_RADIUS)
    mean_x, mean_y, square_x, square_y, product = blurred.split(1, dim=1)
    first, second = SSIM_CONSTANTS
    covariance = product - mean_x * mean_y
    variances = square_x - mean_x**2 + square_y - mean_y**2
    likeness = (2 * mean_x * mean_y + first) * (2 * covariance + second)
    return likeness / ((mean_x**2 + mean_y**2 + first) * (variances + second))


def ssim(
    a: Float[Tensor, "batch 3 height width"],
    b: Float[Tensor, "batch 3 height width"],
    where: Bool[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, " batch"]:
    """Mean structural similarity, everywhere or over some pixels; nan where there is none of them."""
    local = ssim_map(a, b)
    if where is None:
        return local.mean(dim=(1, 2, 3))
    return (local * where).sum(dim=(1, 2, 3)) / where.sum(dim=(1, 2, 3))


@torch.no_grad()
def face_mask(model: MorphableModel, params: FaceParams, side: int) -> Bool[Tensor, "batch 1 side side"]:
    """Where the face's skin is drawn."""
    mesh = skin_mesh(model)
    offsets = params.identity @ mesh.identity_basis + params.expression @ mesh.expression_basis
    vertices = place(mesh.mean + offsets.unflatten(1, (-1, 3)), params.pose, params.translation, model.pivot)
    return (rasterize(Camera().project(vertices), mesh.triangles, side, cull=True).face >= 0)[:, None]


def outside(one: Bool[Tensor, "batch 1 side side"], other: Bool[Tensor, "batch 1 side side"]) -> Bool[Tensor, "batch 1 side side"]:
    """Pixels that neither of two masks comes near (`MARGIN`)."""
    reach = max(1, round(MARGIN * one.shape[-1]))
    covered = (one | other).float()
    return functional.max_pool2d(covered, 2 * reach + 1, stride=1, padding=reach) == 0


def cosine(a: Float[Tensor, "batch size"], b: Float[Tensor, "batch size"]) -> Float[Tensor, " batch"]:
    return functional.cosine_similarity(a, b, dim=1)
