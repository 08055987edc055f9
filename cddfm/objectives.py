"""What training minimises: errors of parameters, landmarks, pictures and style codes, each per image; and the learning rate's course."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.camera import rotation
from cddfm.params import GROUPS, ParamLayout

Weights = Mapping[str, float]


def group_errors(
    layout: ParamLayout,
    predicted: Float[Tensor, "batch total"],
    target: Float[Tensor, "batch total"],
    asked: Float[Tensor, "batch total"] | None = None,
) -> Float[Tensor, "batch groups"]:
    """Smooth L1 (Huber, 1 deviation) of standardised parameters, averaged over each group; columns in the order of `GROUPS`.

    asked: standardised changes that an edit wanted. Half of each average then weighs parameters by their asked change squared, so that one
    expression of thirty counts as much as it was asked for.
    """
    errors = functional.smooth_l1_loss(predicted, target, reduction="none")
    means = torch.stack([errors[:, part].mean(dim=1) for part in layout.slices.values()], dim=1)
    if asked is None:
        return means
    shares = asked.square()
    pairs = [(errors[:, part] * shares[:, part], shares[:, part]) for part in layout.slices.values()]
    focused = torch.stack([weighed.sum(dim=1) / (share.sum(dim=1) + 1e-8) for weighed, share in pairs], dim=1)
    return (means + focused) / 2


def squared_errors(
    layout: ParamLayout, predicted: Float[Tensor, "batch total"], target: Float[Tensor, "batch total"]
) -> Float[Tensor, "batch groups"]:
    """Squared errors of standardised parameters, averaged over each group; columns in the order of `GROUPS`.

    For networks that read: beyond one deviation Huber's loss asks for the median, and the median of an expression that rests in most faces
    is rest, so what is rare would never be read."""
    errors = (predicted - target).square()
    return torch.stack([errors[:, part].mean(dim=1) for part in layout.slices.values()], dim=1)


def group_weights(weights: Weights, device: torch.device) -> Float[Tensor, " groups"]:
    """One number per group, in the order of `GROUPS`; groups that are absent weigh 0."""
    return torch.tensor([weights.get(group, 0.0) for group in GROUPS], device=device)


def landmark_error(predicted: Float[Tensor, "batch 68 2"], target: Float[Tensor, "batch 68 2"]) -> Float[Tensor, " batch"]:
    """Mean distance of landmarks in ndc (2 is the picture's width); smooth at 0 and without a pull towards outliers."""
    return ((predicted - target).square().sum(dim=-1) + 1e-6).sqrt().mean(dim=1)


def resized(images: Float[Tensor, "batch 3 _ _"], resolution: int) -> Float[Tensor, "batch 3 resolution resolution"]:
    """The pictures at another resolution, antialiased."""
    if images.shape[2] == resolution:
        return images
    return functional.interpolate(images, (resolution, resolution), mode="bilinear", antialias=True, align_corners=False)


def photometric_error(
    rendered: Float[Tensor, "batch 3 height width"],
    mask: Float[Tensor, "batch 1 height width"],
    images: Float[Tensor, "batch 3 height width"],
) -> Float[Tensor, " batch"]:
    """Mean squared difference inside the rendered face (StyleRig, equation 2)."""
    inside = mask.detach()
    return ((rendered - images).square() * inside).sum(dim=(1, 2, 3)) / (3 * inside.sum(dim=(1, 2, 3)) + 1.0)


def outside_error(
    edited: Float[Tensor, "batch 3 height width"],
    original: Float[Tensor, "batch 3 height width"],
    face: Float[Tensor, "batch 1 height width"],
) -> Float[Tensor, " batch"]:
    """Mean absolute difference where `face` (0 to 1) is not."""
    outside = 1 - face
    return ((edited - original).abs() * outside).sum(dim=(1, 2, 3)) / (3 * outside.sum(dim=(1, 2, 3)) + 1.0)


def dilated(mask: Float[Tensor, "batch 1 height width"], share: float) -> Float[Tensor, "batch 1 height width"]:
    """The mask grown by a share of the picture's width on every side (a square brush)."""
    radius = max(1, round(share * mask.shape[-1]))
    return functional.max_pool2d(mask, 2 * radius + 1, stride=1, padding=radius)


def pose_error(predicted: Float[Tensor, "batch 3"], target: Float[Tensor, "batch 3"]) -> Float[Tensor, " batch"]:
    """Angle in radians of the rotation between two poses."""
    between = rotation(predicted).transpose(1, 2) @ rotation(target)
    cosine = (between.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2
    return cosine.clamp(-1.0, 1.0).acos()


def descend(optimizer: torch.optim.Optimizer, loss: Float[Tensor, ""], rate: float, limit: float = 1.0) -> Float[Tensor, ""]:
    """One optimiser step at a learning rate, the gradient's norm clipped to `limit`; returns the norm before."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return norm
