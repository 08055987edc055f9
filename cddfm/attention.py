"""Where in a portrait a face says most: its middle, and eyes, brows and mouth wherever they are.

They take a twentieth of the pixels and nearly all of what people look at, so a loss that counts pixels draws them last. What restoration of
faces does with discriminators for each part (Wang et al. 2021, GFPGAN, section 3.3), weights of the picture loss do here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.reconstruct import Reconstructor
from cddfm.render import project_landmarks
from domains.likeness import Attention
from stylespace.objectives import middle_weight

SPEAKING = (*range(17, 27), *range(36, 68))
"""Landmarks of brows, eyes and mouth."""

REACH = 0.045
"""Standard deviation in ndc of the Gaussian about a landmark: a pixel and a half at 64 px."""


def face_attention(estimator: Reconstructor, model: MorphableModel, middle: float, features: float) -> Attention:
    """How much more than 1 a pixel counts: up to `middle` in the picture's middle and, within it, up to `features` times as much again
    where this estimator, the last of whose levels are parameters, finds brows, eyes and mouth."""

    def attention(levels: Sequence[Tensor], resolution: int) -> Float[Tensor, "batch 1 resolution resolution"]:
        params = FaceParams.unflatten(model.layout, estimator.statistics.restore(levels[-1]))
        bumps = landmark_bumps(project_landmarks(model, params)[:, list(SPEAKING)], resolution)
        return middle_weight(resolution, middle).to(bumps.device) * (1 + features * bumps) - 1

    return attention


def landmark_bumps(points: Float[Tensor, "batch points 2"], resolution: int) -> Float[Tensor, "batch 1 resolution resolution"]:
    """1 at the points (ndc, y up), falling off around them as the nearest one's Gaussian."""
    axis = (torch.arange(resolution, device=points.device) + 0.5) / resolution * 2 - 1
    across = (axis - points[..., :1]).square()
    along = (axis.flip(0) - points[..., 1:]).square()
    nearest = (across[..., None, :] + along[..., :, None]).amin(dim=1, keepdim=True)
    return torch.exp(-nearest / (2 * REACH**2))
