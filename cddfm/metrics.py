"""What an edit achieved, from parameters that a judge read off the pictures before and after it.

Throughout: `requested` is the change that was asked for and `achieved` the judged change, judged(after) − judged(before), both
flat in raw units; a scale is the judged standard deviation of each parameter over unedited pictures of the same domain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.params import ATTRIBUTES, POSE_AXES, ParamLayout


def gain(requested: Float[Tensor, "edits size"], achieved: Float[Tensor, "edits size"]) -> float:
    """Slope of achieved against requested change: least squares through zero, Σ⟨achieved, requested⟩ / Σ⟨requested, requested⟩.

    For one number (yaw) that is the usual slope; for several (light, a direction in shape) the achieved change counts as far as it
    points along the requested one. 1: all of it arrived; 0: nothing.
    """
    return float((achieved * requested).sum() / (requested * requested).sum().clamp(min=1e-12))


def touched_by(requested: Float[Tensor, "edits size"]) -> Bool[Tensor, " size"]:
    """The parameters that any of the edits asks to change; less than a thousandth of the largest request is rounding."""
    largest = requested.abs().amax(dim=0)
    return largest > 1e-3 * largest.max()


def target_error(requested: Float[Tensor, "edits size"], achieved: Float[Tensor, "edits size"], touched: Bool[Tensor, size]) -> float:
    """Mean |achieved − requested| over edits and over the parameters that the edit asks to change, in their raw unit."""
    return float((achieved - requested)[:, touched].abs().mean())


def spread(flat: Float[Tensor, "faces total"]) -> Float[Tensor, total]:
    """Standard deviation of each parameter over a population; 1 for parameters that hardly vary, so that dividing is safe."""
    deviation = flat.std(dim=0, correction=0)
    return torch.where(deviation > 1e-4, deviation, torch.ones_like(deviation))


def leakage(
    layout: ParamLayout, achieved: Float[Tensor, "edits total"], scale: Float[Tensor, total], touched: Bool[Tensor, total]
) -> dict[str, float | None]:
    """Attribute → mean |achieved| / scale over edits and over its parameters that the edit does not ask to change.

    In population standard deviations: 0 means that the judge saw nothing else change. None where every parameter was asked to change.
    """
    relative = achieved.abs() / scale
    found: dict[str, float | None] = {}
    for attribute in ATTRIBUTES:
        part = layout.slices[attribute]
        kept = ~touched[part]
        found[attribute] = float(relative[:, part][:, kept].mean()) if bool(kept.any()) else None
    return found


def pose_leakage_degrees(
    layout: ParamLayout, achieved: Float[Tensor, "edits total"], touched: Bool[Tensor, total]
) -> dict[str, float | None]:
    """Pose axis → mean |achieved| in degrees where the edit does not ask that axis to change, else None."""
    part = layout.slices["pose"]
    degrees = achieved[:, part].abs().mean(dim=0) * (180.0 / math.pi)
    return {axis: None if bool(touched[part][index]) else float(degrees[index]) for index, axis in enumerate(POSE_AXES)}


SMALLEST_SPREAD = 1e-3
"""Spreads below this, in the population's own, count as this: rounding must not decide a score."""


def mean_pairwise_distance(points: Float[Tensor, "groups members size"]) -> float:
    """Mean L2 distance between two members of one group, over all pairs of all groups."""
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    first, second = torch.triu_indices(points.shape[1], points.shape[1], offset=1, device=points.device)
    return float(distances[:, first, second].mean())


def disentanglement(spreads: Mapping[str, float], varied: str) -> float:
    """DS_i = Π over k ≠ i of σ_i / σ_k, σ being each attribute's spread where only i was varied (DiscoFaceGAN, Deng et al. 2020)."""
    own = spreads[varied]
    return math.prod(own / max(other, SMALLEST_SPREAD) for attribute, other in spreads.items() if attribute != varied)


def average(values: Tensor) -> float | None:
    """Mean of the numbers that are there (nan: not measured); None where there is none."""
    present = values[~values.isnan()]
    return float(present.mean()) if len(present) else None
