"""Analysis by synthesis: one face's parameters from landmarks and pixels (Blanz and Vetter 1999), for any morphable model.

Two stages. *Landmarks*: pose from an affine camera, then Levenberg–Marquardt on pose, translation, identity and expression, with the
landmarks' own precision found from what remains. *Pixels*: Gauss–Newton on every parameter together, landmarks kept, from small to large
pictures; what the model cannot explain (hair, glasses, shadows, shine) loses its say by Student's t. Light and albedo, in which the
picture is nearly linear, are solved for first. Derivatives are exact; no learning rate is involved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera
from cddfm.fitting.landmarks import first_pose, landmark_jacobian
from cddfm.fitting.pixels import View, albedo_jacobian, light_jacobian, look, pixel_jacobian
from cddfm.fitting.solve import Normal, Prior, step
from cddfm.fitting.subject import Subject
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams

LANDMARK_ROUNDS = 24
FINEST_LANDMARKS = 1.0e-3
"""Landmarks are never trusted beyond this (ndc): an eighth of a pixel at 224."""

ESTIMATED_LANDMARKS = 0.03
"""How far (ndc) an estimator's landmarks are trusted: 0.4 cm."""

SEEN_LANDMARKS = 0.02
"""How far (ndc) landmarks are trusted that a network saw in a picture."""

LANDMARK_FREEDOM = 4.0
PIXEL_FREEDOM = 2.0
"""Degrees of freedom of Student's t: how readily outliers are let go."""

LEVELS = ((64, 4), (128, 4), (224, 3))
"""Picture side and Gauss–Newton rounds; levels finer than the picture are left out."""

LIGHT_ROUNDS = 6
LARGEST_VIEW = 6000
"""Pixels that are looked at in one round; of more, every second, third, …"""

FINEST_COLOUR = 0.006
"""Colours are never trusted beyond this (share of the range)."""

SHAPE_PATCHES, TONE_PATCHES = 50.0, 300.0
SHAPE_CAUTION, TONE_CAUTION = 3.0, 1.0
"""Errors of neighbouring pixels go together: all pixels count as so many independent ones where the model explains the picture to
`FINEST_COLOUR`. Where it does not, what is left is no noise but something else (shadows, shine, make-up), and they count as fewer, by a
power of `FINEST_COLOUR` over the spread: shape is misled by shadows, colour less so."""

CELLS = 10
SHADOW = 0.06
"""Each of so many cells along a side may differ by about this (share of the range) for reasons that the model does not know."""

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Fit:
    """params: one face. landmark_error: root mean square in ndc (None without landmarks). colour_error: median over the skin's pixels,
    share of the range."""

    params: FaceParams
    landmark_error: float | None
    colour_error: float


@dataclass(frozen=True)
class Evidence:
    """What was seen. picture: sRGB in [0, 1]. mask: share of skin. landmarks: ndc, y up, NaN where unknown. deviation: theirs."""

    picture: Float[Tensor, "1 3 side side"]
    mask: Float[Tensor, "1 1 side side"] | None
    landmarks: Float[Tensor, "68 2"]
    deviation: float


def rounds(side: int) -> int:
    """How many rounds `fit` takes for a picture of this side: what a progress bar runs to."""
    return LANDMARK_ROUNDS + LIGHT_ROUNDS + sum(count for _, count in levels(side))


def levels(side: int) -> list[tuple[int, int]]:
    """Sides and rounds of the pixel stage; a small picture is looked at as it is."""
    chosen = [(size, count) for size, count in LEVELS if size <= side]
    return chosen or [(side, sum(count for _, count in LEVELS[:2]))]


@torch.no_grad()
def fit(
    model: MorphableModel,
    picture: Float[Tensor, "1 3 side side"],
    landmarks: Float[Tensor, "68 2"] | None = None,
    start: FaceParams | None = None,
    mask: Float[Tensor, "1 1 side side"] | None = None,
    camera: Camera | None = None,
    landmark_deviation: float | None = None,
    on_step: Progress | None = None,
) -> Fit:
    """Parameters of the face in a square picture in [−1, 1] that the camera took.

    landmarks: iBUG-68 in ndc (y up); NaN rows are unknown. start: where to begin; without landmarks needed, and its own
    are trusted a little. mask: the skin's share of pixels, where it is known. landmark_deviation: the landmarks' precision in ndc;
    found from the data when left out.
    """
    if landmarks is None and start is None:
        raise ValueError("fitting needs landmarks or parameters to start from")
    subject, prior = Subject(model, camera or Camera()), Prior.of(model)
    report = on_step or (lambda position, facts: None)
    given = landmarks is not None
    if landmarks is None:
        assert start is not None
        landmarks = landmark_jacobian(subject, start.flatten()[0].to(prior.centre))[0]
        landmark_deviation = landmark_deviation or ESTIMATED_LANDMARKS
    landmarks = landmarks.to(prior.centre.device)
    flat, deviation = fit_landmarks(subject, prior, landmarks, start, landmark_deviation, report)
    evidence = Evidence((picture + 1) / 2, mask, landmarks, deviation)
    flat, error = fit_pixels(subject, prior, evidence, flat, report)
    remaining = None
    if given:
        known = landmarks.isfinite().all(dim=1)
        away = (landmark_jacobian(subject, flat)[0] - landmarks)[known]
        remaining = float(away.square().sum(1).mean().sqrt())
    return Fit(subject.params(flat), remaining, error)


def fit_landmarks(
    subject: Subject,
    prior: Prior,
    landmarks: Float[Tensor, "68 2"],
    start: FaceParams | None,
    deviation: float | None,
    report: Progress = lambda position, facts: None,
) -> tuple[Float[Tensor, total], float]:
    """Shape, pose and translation that explain the landmarks, and the landmarks' standard deviation (ndc)."""
    known = landmarks.isfinite().all(dim=1).double()
    target = landmarks.double().nan_to_num(0.0)
    begin = first_pose(subject, target, known) if start is None else start
    flat = begin.flatten()[0].to(prior.centre).double()
    free = _members(subject, "identity", "expression", "pose", "translation")
    spread = deviation or 0.05
    for index in range(LANDMARK_ROUNDS):
        seen, jacobian = landmark_jacobian(subject, flat)
        away = seen - target
        weight = _student(away.norm(dim=1) / (spread * math.sqrt(2)), LANDMARK_FREEDOM) * known / spread**2
        normal = Normal.of(jacobian.flatten(0, 1), away.flatten(), weight.repeat_interleave(2))
        flat = step(flat, normal, prior, free, damping=0.0)
        if deviation is None:
            spread = _landmark_spread(normal, prior, flat, free, away, weight, spread)
        report(index + 1, {"landmarks": float(away.norm(dim=1).median())})
    return flat.to(prior.centre), spread


def _landmark_spread(
    normal: Normal, prior: Prior, flat: Tensor, free: Tensor, away: Tensor, weight: Tensor, spread: float
) -> float:
    """The deviation under which the remaining distances are as likely as can be, given how many parameters went into them (MacKay 1992)."""
    chosen = free.nonzero().squeeze(1)
    matrix = normal.matrix[chosen][:, chosen]
    precision = prior.to(flat).precision(flat)[chosen]
    spent = torch.linalg.solve(matrix + torch.diag(precision), matrix).diagonal().sum()
    relative = weight * spread**2
    left = (2 * relative.sum() - spent).clamp(min=4.0)
    found = ((relative.unsqueeze(1) * away**2).sum() / left).sqrt()
    return max(FINEST_LANDMARKS, min(float(found), spread))


def fit_pixels(
    subject: Subject, prior: Prior, evidence: Evidence, flat: Float[Tensor, total], report: Progress
) -> tuple[Float[Tensor, total], float]:
    """Every parameter from pixels and landmarks together; also the median colour error."""
    done, error = LANDMARK_ROUNDS, 1.0
    tones = _members(subject, "albedo", "light")
    for number, (side, count) in enumerate(levels(evidence.picture.shape[-1])):
        target = _Target.of(evidence, side)
        for index in range(count + (LIGHT_ROUNDS if number == 0 else 0)):
            view = look(subject, flat, side, target.stride)
            if number > 0 or index >= LIGHT_ROUNDS:
                moved = step(flat, _all_normal(subject, view, flat, target, evidence), prior, torch.ones_like(tones))
                flat = torch.where(tones, flat, moved)
                view = look(subject, flat, side, target.stride)
            normal, error = _tone_normal(subject, view, flat, target)
            flat = step(flat, normal, prior, tones)
            done += 1
            report(done, {"colours": error})
    return flat, error


@dataclass(frozen=True)
class _Target:
    """The picture at one size. colours: sRGB in [0, 1]. mask: how much each pixel counts. stride: one pixel in so many is looked at."""

    side: int
    colours: Float[Tensor, "pixels 3"]
    mask: Float[Tensor, pixels]
    stride: int

    @staticmethod
    def of(evidence: Evidence, side: int) -> _Target:
        picture, mask = evidence.picture, evidence.mask
        small = functional.interpolate(picture, (side, side), mode="bilinear", antialias=True, align_corners=False)
        shown = torch.ones_like(small[:, :1]) if mask is None else functional.interpolate(mask.to(picture), (side, side), mode="area")
        return _Target(side, small[0].flatten(1).T.contiguous(), shown.flatten(), max(1, math.ceil(0.3 * side * side / LARGEST_VIEW)))


def _judge(view: View, target: _Target) -> tuple[Float[Tensor, "pixels 3"], Float[Tensor, pixels], float, float]:
    """Residuals, their weights (1/variance under Student's t), their spread and their median."""
    residual = view.colour - target.colours[view.pixel]
    size = residual.norm(dim=1) / math.sqrt(3)
    mask = target.mask[view.pixel]
    error = float(size[mask > 0.5].median()) if bool((mask > 0.5).any()) else 1.0
    spread = max(FINEST_COLOUR, 1.2 * error)
    return residual, _student(size / spread, PIXEL_FREEDOM) * mask / (spread**2 * max(len(view.pixel), 1)), spread, error


def _tone_normal(subject: Subject, view: View, flat: Tensor, target: _Target) -> tuple[Normal, float]:
    """Light and albedo alone: the picture is nearly linear in them."""
    light, slices = subject.params(flat).light, subject.layout.slices
    residual, weight, spread, error = _judge(view, target)
    weight = weight * TONE_PATCHES * (FINEST_COLOUR / spread) ** TONE_CAUTION
    jacobian = flat.new_zeros(len(view.pixel), 3, subject.layout.total)
    jacobian[:, :, slices["albedo"]] = albedo_jacobian(subject, view, light)
    jacobian[:, :, slices["light"]] = light_jacobian(view, light)
    return Normal.of(jacobian.flatten(0, 1), residual.flatten(), weight.repeat_interleave(3)), error


def _all_normal(subject: Subject, view: View, flat: Tensor, target: _Target, evidence: Evidence) -> Normal:
    """Everything, from pixels and landmarks."""
    residual, weight, spread, _ = _judge(view, target)
    weight = weight * SHAPE_PATCHES * (FINEST_COLOUR / spread) ** SHAPE_CAUTION
    jacobian = pixel_jacobian(subject, view, flat)
    cell = view.pixel // target.side * CELLS // target.side * CELLS + view.pixel % target.side * CELLS // target.side
    normal = Normal.of(jacobian.flatten(0, 1), residual.flatten(), weight.repeat_interleave(3)) + _shadows(jacobian, residual, weight, cell)
    return normal + _landmark_normal(subject, flat, evidence)


def _shadows(
    jacobian: Float[Tensor, "pixels 3 total"], residual: Float[Tensor, "pixels 3"], weight: Float[Tensor, pixels], cell: Tensor
) -> Normal:
    """What the normal equations lose when every cell of the picture may be brighter or darker as a whole (a Schur complement)."""
    total = jacobian.shape[2]
    sums = jacobian.new_zeros(CELLS * CELLS, 3 * total).index_add_(0, cell, (jacobian * weight.view(-1, 1, 1)).flatten(1))
    short = residual.new_zeros(CELLS * CELLS, 3).index_add_(0, cell, residual * weight.unsqueeze(1))
    mass = weight.new_zeros(CELLS * CELLS).index_add_(0, cell, weight) + SHADOW**-2
    # `Normal.of` with the right side divided by its own weight: gᵀ(1/mass)g and gᵀ(1/mass)s.
    return Normal.of(sums.view(-1, total), short.flatten(), -(1 / mass).repeat_interleave(3))


def _landmark_normal(subject: Subject, flat: Tensor, evidence: Evidence) -> Normal:
    known = evidence.landmarks.isfinite().all(dim=1).double()
    seen, jacobian = landmark_jacobian(subject, flat.double())
    away = seen - evidence.landmarks.double().nan_to_num(0.0)
    weight = _student(away.norm(dim=1) / (evidence.deviation * math.sqrt(2)), LANDMARK_FREEDOM) * known / evidence.deviation**2
    return Normal.of(jacobian.flatten(0, 1), away.flatten(), weight.repeat_interleave(2))


def _student(size: Tensor, freedom: float) -> Tensor:
    """Weights of residuals (in standard deviations) under Student's t."""
    return (freedom + 1) / (freedom + size**2)


def _members(subject: Subject, *groups: str) -> Bool[Tensor, total]:
    chosen = torch.zeros(subject.layout.total, dtype=torch.bool, device=subject.model.mean.device)
    for group in groups:
        chosen[subject.layout.slices[group]] = True
    return chosen
