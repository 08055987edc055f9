"""Training of the editor: the predictor s → p, then the manipulators (s, Δp) → s′ with the loop closed through the generated picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.lighting import turn
from cddfm.manipulator import Manipulator
from cddfm.morphable import MorphableModel
from cddfm.objectives import (
    Weights,
    descend,
    dilated,
    group_errors,
    group_weights,
    landmark_error,
    outside_error,
    resized,
    squared_errors,
)
from cddfm.params import ATTRIBUTES, GROUPS, FaceParams
from cddfm.predictor import Predictor, require_variance, variance_ratio
from cddfm.reconstruct import Reconstructor
from cddfm.render import project_landmarks, render
from cddfm.stages.augment import Strength, Warp, degrade
from cddfm.stages.sampling import Population, mixed_styles, restored
from stylespace.generator import Generator
from stylespace.schedule import rate_at

CHECK_EVERY = 50
"""Steps between two looks at the predictor's variance (each look waits for the device)."""


Lessons = Callable[[int, torch.Generator], tuple[Tensor, FaceParams]]
"""(count, generator) → style codes [count, style_dim], and the parameters of their faces."""


def estimator_lessons(generator: Generator, estimator: Reconstructor, unmixed: float = 0.5) -> Lessons:
    """Random codes, and what the estimator reads off their pictures."""
    generator.eval().requires_grad_(False), estimator.eval().requires_grad_(False)

    def lessons(count: int, randomness: torch.Generator) -> tuple[Tensor, FaceParams]:
        s = mixed_styles(generator, count, randomness, unmixed=unmixed)
        return s, estimator(generator.synthesise(s))

    return lessons


class PredictorStage:
    """Standardised parameters and landmarks of the predictor against those of the lessons.

    check_after: images before which variance may be low.
    """

    def __init__(
        self,
        *,
        predictor: Predictor,
        lessons: Lessons,
        model: MorphableModel,
        population: Population,
        total_images: int,
        batch: int,
        learning_rate: float = 1e-3,
        landmark_weight: float = 5.0,
        check_after: int = 20_000,
    ):
        self.predictor, self.lessons, self.model = predictor.train(), lessons, model
        self.total_images, self.batch, self.learning_rate = total_images, batch, learning_rate
        self.landmark_weight, self.check_after = landmark_weight, check_after
        predictor.styles.fit(population.styles)
        predictor.statistics.fit(population.params)
        self.modules = {"predictor": predictor}
        optimizer = torch.optim.AdamW(predictor.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.05)
        self.optimizers = {"predictor": optimizer}

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        self.predictor.requires_grad_(True)
        with torch.no_grad():
            s, truth = self.lessons(self.batch, generator)
            target = self.predictor.statistics.standardise(truth.flatten())
        standard = self.predictor.standard(s)
        errors = squared_errors(self.model.layout, standard, target).mean(dim=0)
        predicted = project_landmarks(self.model, restored(self.predictor, standard))
        landmarks = landmark_error(predicted, project_landmarks(self.model, truth)).mean()
        loss = errors.sum() + self.landmark_weight * landmarks
        descend(self.optimizers["predictor"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        ratio = variance_ratio(standard.detach(), target)
        if position >= self.check_after and position // self.batch % CHECK_EVERY == 0:
            require_variance(float(ratio), position)
        report = {group: error.detach() for group, error in zip(GROUPS, errors, strict=True)}
        return {"loss": loss.detach(), "variance_ratio": ratio, **report}


TARGET_WEIGHTS: Weights = {"identity": 1.0, "expression": 2.0, "albedo": 1.0, "pose": 4.0, "light": 1.5}
"""Weights of the edited attribute's standardised error."""

LEAKAGE_WEIGHTS: Weights = {"identity": 0.6, "expression": 0.6, "albedo": 0.4, "pose": 1.0, "light": 0.4, "translation": 0.4}
"""Weights of the standardised errors of everything that was not edited."""

OUTSIDE_WEIGHTS: Weights = {"identity": 1.0, "expression": 3.0, "albedo": 1.0, "pose": 0.5, "light": 0.0}
"""How much the picture away from the face must stay when an attribute is edited: light falls on everything, hair turns with the head."""

MILD = Strength(
    shift=0.04, scale=0.05, turn=math.radians(3), gain=0.08, tint=0.03, gamma=0.03, soften=0.5, coarse=0.2, noise=0.04, cover=0.0
)
"""Augmentation before the estimator, so that edits change faces and not the estimator's mind."""


class ManipulatorStage:
    """Closes the loop: random s, wanted p′ = p + Δ, s′ = edit(s, Δ), and the estimator reads G(s′), slightly augmented.

    p is the estimator's reading of G(s). Every code edits one attribute (a few edit two). Half of the Δ lead towards another code's
    parameters, 30 to 100 % of the way; the others move one parameter alone (one axis of pose, one expression, …) to anywhere between
    its 1st and 99th percentile, or turn the light by at most `turns` radians; `reach` stretches the percentiles.

    target_weights, leakage_weights: of standardised errors, per group. landmark_weight: of the distance in ndc. predictor_weight: of the
    predictor's reading of s′ against p′. style_weight: of the mean squared standardised Δs. outside_weight: of the absolute difference
    away from both faces, found at `mask_resolution`. clean: share of a batch that is neither jittered in s (by `jitter` deviations, as
    codes of inverted photos are off the mapping's range) nor augmented before the estimator.
    """

    def __init__(
        self,
        *,
        manipulator: Manipulator,
        predictor: Predictor,
        generator: Generator,
        estimator: Reconstructor,
        model: MorphableModel,
        population: Population,
        total_images: int,
        batch: int,
        learning_rate: float = 1e-3,
        target_weights: Weights = TARGET_WEIGHTS,
        leakage_weights: Weights = LEAKAGE_WEIGHTS,
        landmark_weight: float = 10.0,
        predictor_weight: float = 0.1,
        style_weight: float = 0.02,
        outside_weight: float = 1.0,
        mask_resolution: int = 32,
        unmixed: float = 0.7,
        reach: float = 1.2,
        turns: float = math.radians(60),
        jitter: float = 0.1,
        clean: float = 0.5,
        strength: Strength = MILD,
    ):
        self.manipulator, self.predictor, self.model = manipulator.train(), predictor, model
        self.generator, self.estimator = generator.eval().requires_grad_(False), estimator.eval().requires_grad_(False)
        self.population = population
        self.total_images, self.batch, self.learning_rate = total_images, batch, learning_rate
        self.target_weights, self.leakage_weights = target_weights, leakage_weights
        self.landmark_weight, self.predictor_weight = landmark_weight, predictor_weight
        self.style_weight, self.outside_weight, self.mask_resolution = style_weight, outside_weight, mask_resolution
        self.unmixed, self.reach, self.turns, self.jitter, self.strength = unmixed, reach, turns, jitter, strength
        self.augmented_rows = slice(round(clean * batch), batch)
        manipulator.styles.fit(population.styles)
        manipulator.statistics.fit(population.params)
        self.modules = {"manipulator": manipulator}
        self.optimizers = {"manipulator": torch.optim.Adam(manipulator.parameters(), lr=learning_rate, betas=(0.9, 0.99))}

    def wanted(
        self, params: FaceParams, generator: torch.Generator
    ) -> tuple[FaceParams, Bool[Tensor, "batch groups"]]:
        """Parameters to aim at, and which groups each face edits. At least one group each; translation never."""
        flat, layout, count = params.flatten(), self.model.layout, len(params)
        device = flat.device
        first, second = torch.randint(len(ATTRIBUTES), (2, count), generator=generator)
        second = torch.where(torch.rand(count, generator=generator) < 0.2, second, first)
        groups = torch.arange(len(GROUPS))
        edited = ((groups == first[:, None]) | (groups == second[:, None])).to(device)
        single = (torch.rand(count, generator=generator) < 0.5).to(device)[:, None]

        amount = 0.3 + 0.7 * torch.rand(count, 1, generator=generator).to(device)
        other = torch.lerp(flat, flat.roll(1, dims=0), amount)
        middle = (self.population.low + self.population.high) / 2
        span = (self.population.high - self.population.low) * self.reach
        anywhere = middle + span * (torch.rand(flat.shape, generator=generator).to(device) - 0.5)
        chosen = [torch.randint(size, (count, 1), generator=generator) == torch.arange(size) for size in layout.sizes.values()]
        alone = torch.where(torch.cat(chosen, dim=1).to(device), anywhere, flat)
        azimuth, elevation = ((2 * torch.rand(2, count, generator=generator) - 1) * self.turns).to(device)
        alone[:, layout.slices["light"]] = turn(params.light, azimuth, elevation * 0.5)
        sizes = torch.tensor(list(layout.sizes.values()), device=device)
        columns = torch.repeat_interleave(edited, sizes, dim=1, output_size=layout.total)
        target = torch.where(columns, torch.where(single, alone, other), flat)
        return FaceParams.unflatten(layout, target), edited

    @torch.no_grad()
    def faces(self, before: FaceParams, after: FaceParams) -> Float[Tensor, "batch 1 height width"]:
        """Where either face may lie, with a margin for what moves along with it."""
        both = FaceParams.unflatten(self.model.layout, torch.cat([before.flatten(), after.flatten()]))
        first, second = render(self.model, both, self.mask_resolution).mask.chunk(2)
        return dilated(torch.maximum(first, second), 0.12)

    def augmented(
        self, images: Float[Tensor, "batch 3 height width"], target: FaceParams, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch 3 height width"], FaceParams]:
        """The later part of the batch slightly warped and degraded, its parameters to match; the first part (`clean`) as it is."""
        some, rest = self.augmented_rows, slice(0, self.augmented_rows.start)
        if some.start >= some.stop:
            return images, target
        warp = Warp.draw(images[some].shape[0], generator, self.strength, images.device)
        changed = degrade(warp.images(images[some]), generator, self.strength)
        labels = warp.params(target[some], self.model.pivot)
        flat = torch.cat([target[rest].flatten(), labels.flatten()])
        return torch.cat([images[rest], changed]), FaceParams.unflatten(self.model.layout, flat)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        layout, population = self.model.layout, self.population
        self.predictor.requires_grad_(False)
        with torch.no_grad():
            s = mixed_styles(self.generator, self.batch, generator, unmixed=self.unmixed)
            rows = self.augmented_rows
            noise = torch.randn(s[rows].shape, generator=generator).to(s.device)
            s[rows] += self.jitter * population.styles.deviation * noise
            images = self.generator.synthesise(s)
            params = self.estimator(images)
            target, edited = self.wanted(params, generator)
        change = target.flatten() - params.flatten()
        edited_s = self.manipulator.edit(s, {name: change[:, layout.slices[name]] for name in ATTRIBUTES})
        pictures = self.generator.synthesise(edited_s)
        seen, labels = self.augmented(pictures, target, generator)
        reading = self.estimator(seen)

        standardise = population.params.standardise
        read, wanted = standardise(reading.flatten()), standardise(labels.flatten())
        errors = group_errors(layout, read, wanted)
        aim = group_errors(layout, read, wanted, change / population.params.deviation)
        aim = aim * edited * group_weights(self.target_weights, errors.device)
        leakage = errors * ~edited * group_weights(self.leakage_weights, errors.device)
        landmarks = landmark_error(project_landmarks(self.model, reading), project_landmarks(self.model, labels)).mean()
        foreseen = standardise(self.predictor(edited_s).flatten())
        predicted = group_errors(layout, foreseen, standardise(target.flatten())).sum(dim=1).mean()
        style = ((edited_s - s) / population.styles.deviation).square().mean()
        outside = torch.zeros_like(style)
        if self.outside_weight:
            small, small_before = resized(pictures, self.mask_resolution), resized(images, self.mask_resolution)
            shares = (edited * group_weights(OUTSIDE_WEIGHTS, errors.device)).sum(dim=1)
            outside = (outside_error(small, small_before, self.faces(params, target)) * shares).mean()
        loss = (
            aim.sum(dim=1).mean()
            + leakage.sum(dim=1).mean()
            + self.landmark_weight * landmarks
            + self.predictor_weight * predicted
            + self.style_weight * style
            + self.outside_weight * outside
        )
        descend(self.optimizers["manipulator"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        report = self.report(change, reading, labels, edited, errors)
        return {"loss": loss.detach(), **report, "style": style.detach(), "outside": outside.detach()}

    @torch.no_grad()
    def report(
        self, change: Tensor, reading: FaceParams, labels: FaceParams, edited: Bool[Tensor, "batch groups"], errors: Tensor
    ) -> dict[str, Tensor]:
        """Per attribute: the gain (slope of achieved against requested change, standardised, over this batch), and mean leakage."""
        layout = self.model.layout
        asked = change / self.population.params.deviation
        got = asked + (reading.flatten() - labels.flatten()) / self.population.params.deviation
        gains = {}
        for index, name in enumerate(ATTRIBUTES):
            rows, part = edited[:, index, None], layout.slices[name]
            gains[f"gain_{name}"] = (asked[:, part] * got[:, part] * rows).sum() / (asked[:, part].square() * rows).sum().clamp(min=1e-6)
        gains["leakage"] = (errors * ~edited).sum() / (~edited).sum()
        return gains
