"""A picture of a face, unwrapped: what each point of the mean face's surface sees of the picture, head on, whatever the pose.

Where a network has read how the head stands, a second look at the face laid straight reads what is small: a brow, a lid, the corner of a
mouth lie at the same place in every face. (Pose-normalised faces: Taigman et al. 2014, DeepFace, section 2.)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cddfm.camera import Camera, place
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cuda_ops.rasterize import interpolate, rasterize

MARGIN = 1.08
"""Half of the side of what is unwrapped, of half of the larger extent of the 68 landmarks."""

SMOOTHING = 0.03
"""Of the side: standard deviation of the surface's smoothing, so that lips and lids do not fold."""

FAR = 1e4
"""Centimetres to a camera that sees in parallel."""


class Unwrap(nn.Module):
    """side: texels a side. points: of the surface, in the head's own frame; what `fit` found, kept with the weights."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side
        self.register_buffer("points", torch.zeros(side * side, 3))
        self.register_buffer("pivot", torch.zeros(3))

    def fit(self, model: MorphableModel) -> None:
        """Unwrap onto this model's mean face."""
        self.points.copy_(frontal_surface(model, self.side).flatten(0, 1))
        self.pivot.copy_(model.pivot)

    def forward(self, images: Float[Tensor, "batch 3 height width"], params: FaceParams) -> Float[Tensor, "batch 3 side side"]:
        """What the face's pose and place say the texels see; the border's colours beyond the picture."""
        points = self.points.expand(len(images), -1, -1)
        seen = Camera().project(place(points, params.pose, params.translation, self.pivot))
        grid = torch.stack([seen[..., 0], -seen[..., 1]], dim=-1).unflatten(1, (self.side, self.side))
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def frontal_surface(model: MorphableModel, side: int) -> Float[Tensor, "side side 3"]:
    """The mean face's surface as seen from the front in parallel, smoothed: row 0 above the brows, x to the head's left."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    marks = model.mean[model.landmarks, :2]
    low, high = marks.amin(dim=0), marks.amax(dim=0)
    middle, half = (low + high) / 2, MARGIN * (high - low).max() / 2
    flat = torch.cat([(model.mean[:, :2] - middle) / half, FAR - model.mean[:, 2:]], dim=1)
    fragments = rasterize(flat[None], model.triangles, side)
    empty = (fragments.face[0] < 0).cpu().numpy()
    if empty.all():
        raise ValueError(f"the mean face of the model {model.name!r} has no surface between its landmarks")
    depth = interpolate(model.mean[:, 2:], model.triangles, fragments)[0, :, :, 0]
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    z = gaussian_filter(depth.cpu().numpy()[tuple(nearest)], SMOOTHING * side, mode="nearest")
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    plane = torch.stack([x, y], dim=-1) * half.cpu() + middle.cpu()
    return torch.cat([plane, torch.from_numpy(z)[..., None].to(plane)], dim=-1).to(model.mean)
