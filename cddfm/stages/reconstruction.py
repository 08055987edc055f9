"""Training of a `Reconstructor` on the world's portraits and their twins, whose parameters are known exactly.

What a network reads of *changes* is what it is for: it tells what an edit has done. So every portrait comes with its twin (cddfm.data), in
which one thing has changed, and the network is to see that and nothing else: what it gets wrong of both alike, since a face may be
shaped as others only pull it, cancels out of the difference, and small changes are left to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.data import Pool
from cddfm.morphable import MorphableModel
from cddfm.objectives import Weights, descend, group_weights, landmark_error, pose_error, squared_errors
from cddfm.params import ATTRIBUTES, GROUPS, FaceParams, ParamStatistics
from cddfm.reconstruct import CLOSE, Reconstructor
from cddfm.render import project_landmarks
from cddfm.stages.augment import Strength, Warp, degrade
from stylespace.objectives import halves_apart
from stylespace.schedule import rate_at

GROUP_WEIGHTS: Weights = {"identity": 1.0, "expression": 4.0, "albedo": 0.5, "pose": 3.0, "light": 1.0, "translation": 1.0}
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
    """Squared errors of standardised parameters and of their changes from portrait to twin, per group, and distances of projected
    landmarks, on augmented portraits of all styles.

    pools, twins: one of each per style, of the same seeds, all on the network's device; a pair of a batch comes from a style as often as
    there are pictures of it. batch: pictures, even. learning_rate: of AdamW, at its peak. landmark_weight: of the mean distance in ndc.
    change_weight: of the errors of changes beside the errors themselves.

    close: train the second look, and leave the first as it is. One after the other, since the second learns where things are in a face that
    is laid straight, and a first look that still learns lays it otherwise at every step.
    """

    def __init__(
        self,
        *,
        network: Reconstructor,
        model: MorphableModel,
        pools: Sequence[Pool],
        twins: Sequence[Pool],
        total_images: int,
        batch: int,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.02,
        weights: Weights = GROUP_WEIGHTS,
        landmark_weight: float = 10.0,
        change_weight: float = 3.0,
        strength: Strength | None = None,
        close: bool = False,
        fit_statistics: bool = True,
    ):
        self.network, self.close = network, close
        for look, learns in zip(network.looks(), (not close, close), strict=True):
            look.train(learns).requires_grad_(learns)
        self.model = model
        if batch % 2 or [len(pool) for pool in pools] != [len(pool) for pool in twins]:
            raise ValueError(f"pictures come in pairs: the batch must be even, got {batch}, and each pool needs as many twins as portraits")
        self.pairs = list(zip(pools, twins, strict=True))
        self.total_images = total_images
        self.batch = batch
        self.learning_rate = learning_rate
        self.weights = {name: weights[name] for name in CLOSE} if close else weights
        self.landmark_weight, self.change_weight = landmark_weight, change_weight
        self.strength = strength or Strength()
        if fit_statistics:
            network.statistics.fit(label_statistics([*pools, *twins], model, self.strength, 4096, seed=0))
        self.modules = {"network": network}
        optimizer = torch.optim.AdamW(network.looks()[close].parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay)
        self.optimizers = {"network": optimizer}

    def sample(self, generator: torch.Generator) -> tuple[Float[Tensor, "batch 3 height width"], FaceParams]:
        """Augmented pictures and their parameters: portraits, then their twins. Both of a pair are moved and lit alike, and spoilt each in
        its own way."""
        sizes, pairs = torch.tensor([float(len(pool)) for pool, _ in self.pairs]), self.batch // 2
        styles = torch.multinomial(sizes, pairs, replacement=True, generator=generator)
        parts = []
        for style, sides in enumerate(self.pairs):
            count = int((styles == style).sum())
            if count:
                rows = torch.randint(len(sides[0]), (count,), generator=generator)
                parts.append([torch.stack(both) for both in zip(*(side.take(rows) for side in sides), strict=True)])
        images, flat = (torch.cat(tensors, dim=1).flatten(0, 1) for tensors in zip(*parts, strict=True))
        warp = Warp.draw(pairs, generator, self.strength, images.device).repeated(2)
        labels = warp.params(FaceParams.unflatten(self.model.layout, flat), self.model.pivot)
        return degrade(warp.images(images), generator, self.strength), labels

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        with torch.no_grad():
            images, labels = self.sample(generator)
        statistics, layout = self.network.statistics, self.model.layout
        predicted = (self.network.standard if self.close else self.network.first)(images)
        target = statistics.standardise(labels.flatten())
        errors = squared_errors(layout, predicted, target).mean(dim=0)
        changes = squared_errors(layout, halves_apart(predicted), halves_apart(target)).mean(dim=0)
        params = FaceParams.unflatten(layout, statistics.restore(predicted))
        landmarks = landmark_error(project_landmarks(self.model, params), project_landmarks(self.model, labels)).mean()
        weighed = (errors + self.change_weight * changes) * group_weights(self.weights, errors.device)
        loss = weighed.sum() + self.landmark_weight * landmarks
        descend(self.optimizers["network"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        report = {group: error.detach() for group, error in zip(GROUPS, errors, strict=True)}
        report |= {f"{group}_change": error.detach() for group, error in zip(GROUPS, changes, strict=True) if group in ATTRIBUTES}
        degrees = torch.rad2deg(pose_error(params.pose.detach(), labels.pose)).mean()
        return {"loss": loss.detach(), **report, "pose_degrees": degrees, "landmarks_percent": landmarks.detach() * 50}
