"""Training of a `Reconstructor` on the world's portraits, whose parameters are known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.data import Pool
from cddfm.morphable import MorphableModel
from cddfm.objectives import Weights, descend, group_errors, group_weights, landmark_error, pose_error
from cddfm.params import GROUPS, FaceParams, ParamStatistics
from cddfm.reconstruct import Reconstructor
from cddfm.render import project_landmarks
from cddfm.stages.augment import Strength, Warp, degrade
from stylespace.schedule import rate_at

GROUP_WEIGHTS: Weights = {"identity": 1.0, "expression": 2.0, "albedo": 0.5, "pose": 3.0, "light": 1.0, "translation": 1.0}
"""Weights of the standardised errors: what moves the face most, and what edits are asked for most, weighs most."""


def label_statistics(pools: Sequence[Pool], model: MorphableModel, strength: Strength, samples: int, seed: int) -> ParamStatistics:
    """Statistics of the labels as training sees them, that is after augmentation."""
    generator = torch.Generator().manual_seed(seed)
    flats = []
    for pool in pools:
        chosen = torch.randint(len(pool), (samples,), generator=generator).to(pool.params.device)
        params = FaceParams.unflatten(model.layout, pool.params[chosen])
        flats.append(Warp.draw(samples, generator, strength, pool.params.device).params(params, model.pivot).flatten())
    return ParamStatistics.measure(torch.cat(flats))


class ReconstructionStage:
    """Standardised parameter errors per group, and distances of projected landmarks, on augmented portraits of all styles.

    pools: one per style, all on the network's device; a picture of a batch comes from a pool as often as there are pictures in it.
    learning_rate: of AdamW, at its peak. landmark_weight: of the mean distance in ndc.
    """

    def __init__(
        self,
        *,
        network: Reconstructor,
        model: MorphableModel,
        pools: Sequence[Pool],
        total_images: int,
        batch: int,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.02,
        weights: Weights = GROUP_WEIGHTS,
        landmark_weight: float = 10.0,
        strength: Strength | None = None,
        fit_statistics: bool = True,
    ):
        self.network = network.train()
        self.model = model
        self.pools = pools
        self.total_images = total_images
        self.batch = batch
        self.learning_rate = learning_rate
        self.weights = weights
        self.landmark_weight = landmark_weight
        self.strength = strength or Strength()
        if fit_statistics:
            network.statistics.fit(label_statistics(pools, model, self.strength, 4096, seed=0))
        self.modules = {"network": network}
        optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay)
        self.optimizers = {"network": optimizer}

    def sample(self, generator: torch.Generator) -> tuple[Float[Tensor, "batch 3 height width"], FaceParams]:
        """Augmented pictures and their parameters."""
        sizes = torch.tensor([float(len(pool)) for pool in self.pools])
        styles = torch.multinomial(sizes, self.batch, replacement=True, generator=generator)
        parts = []
        for style, pool in enumerate(self.pools):
            count = int((styles == style).sum())
            if count:
                parts.append(pool.take(torch.randint(len(pool), (count,), generator=generator)))
        images, flat = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        warp = Warp.draw(self.batch, generator, self.strength, images.device)
        labels = warp.params(FaceParams.unflatten(self.model.layout, flat), self.model.pivot)
        return degrade(warp.images(images), generator, self.strength), labels

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        with torch.no_grad():
            images, labels = self.sample(generator)
        statistics, layout = self.network.statistics, self.model.layout
        predicted = self.network.standard(images)
        errors = group_errors(layout, predicted, statistics.standardise(labels.flatten())).mean(dim=0)
        params = FaceParams.unflatten(layout, statistics.restore(predicted))
        landmarks = landmark_error(project_landmarks(self.model, params), project_landmarks(self.model, labels)).mean()
        loss = (errors * group_weights(self.weights, errors.device)).sum() + self.landmark_weight * landmarks
        descend(self.optimizers["network"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        report = {group: error.detach() for group, error in zip(GROUPS, errors, strict=True)}
        degrees = torch.rad2deg(pose_error(params.pose.detach(), labels.pose)).mean()
        return {"loss": loss.detach(), **report, "pose_degrees": degrees, "landmarks_percent": landmarks.detach() * 50}
