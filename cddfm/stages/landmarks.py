"""Training of a `Landmarker` on pictures that are varied far beyond what the world draws, so that photographs are read too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.data import Pool
from cddfm.landmarks import MIRRORED, Landmarker, means
from cddfm.morphable import MorphableModel
from cddfm.objectives import descend
from cddfm.params import FaceParams
from cddfm.planes import centres
from cddfm.render import project_landmarks
from cddfm.stages.augment import Strength, Warp, degrade
from stylespace.schedule import rate_at

STRONG = Strength(
    shift=0.15, scale=0.25, turn=math.radians(25), gain=0.4, tint=0.15, gamma=0.4, soften=1.0, coarse=0.4, noise=0.2, cover=0.5
)  # fmt: skip
"""Where things lie in a face is to be seen whatever the camera, the light and the quality."""

UNMIXED, GREYED = 0.5, 0.3
"""Chances that a picture is a portrait and nothing else, and that it loses some of its colour."""

HEAT_WEIGHT = 0.1
"""Of the maps' cross-entropy, beside the distance of their means (ndc)."""

CELL = 1.0
"""Deviation of the heat that is wanted, in cells of the grid."""

PROJECTED = 512
"""Faces whose landmarks are found at once."""


class LandmarkStage:
    """Distances of landmarks, and how well the maps of heat agree with a Gaussian about each, on strongly augmented pictures.

    pools: the same scenes in one style each, portraits first, on the network's device; a picture may be any mixture of its styles.
    learning_rate: of AdamW, at its peak.
    """

    def __init__(
        self,
        *,
        network: Landmarker,
        model: MorphableModel,
        pools: Sequence[Pool],
        total_images: int,
        batch: int,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.02,
        strength: Strength = STRONG,
    ):
        if any(not torch.equal(pool.params, pools[0].params) for pool in pools[1:]):
            raise ValueError("pictures can be mixed where all pools show the same scenes, in the same order")
        self.network = network.train()
        self.pools = pools
        self.landmarks = landmarks_of(model, pools[0])
        self.total_images = total_images
        self.batch = batch
        self.learning_rate = learning_rate
        self.strength = strength
        self.modules = {"network": network}
        optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay)
        self.optimizers = {"network": optimizer}

    def sample(self, generator: torch.Generator) -> tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch 68 2"]]:
        """Augmented pictures and their landmarks in ndc."""
        rows = torch.randint(len(self.pools[0]), (self.batch,), generator=generator)
        landmarks = self.landmarks[rows.to(self.landmarks.device)]
        shares = torch.rand(len(self.pools), self.batch, 1, 1, 1, generator=generator) ** 3
        shares[1:] *= _chosen(1 - UNMIXED, self.batch, generator)
        shares = (shares / shares.sum(dim=0)).to(landmarks.device)
        images = sum(share * pool.take(rows)[0] for share, pool in zip(shares, self.pools, strict=True))
        mirrored = _chosen(0.5, self.batch, generator).to(landmarks.device)
        images = torch.where(mirrored, images.flip(3), images)
        other = landmarks[:, list(MIRRORED)] * landmarks.new_tensor([-1.0, 1.0])
        landmarks = torch.where(mirrored.flatten(2), other, landmarks)
        grey = _chosen(GREYED, self.batch, generator) * torch.rand(self.batch, 1, 1, 1, generator=generator)
        images = images + grey.to(images) * (images.mean(dim=1, keepdim=True) - images)
        warp = Warp.draw(self.batch, generator, self.strength, images.device)
        return degrade(warp.images(images), generator, self.strength), warp.points(landmarks)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        with torch.no_grad():
            images, landmarks = self.sample(generator)
        heat = self.network.heat(images)
        within = (landmarks.abs().amax(dim=-1) < 1).to(heat)
        distance = (means(heat) - landmarks).norm(dim=-1)
        across, down = (gaussian(one, heat.shape[-1]) for one in (landmarks[..., 0], -landmarks[..., 1]))
        surprise = -torch.einsum("bkyx,bkx,bky->bk", heat, across, down)
        loss = ((distance + HEAT_WEIGHT * surprise) * within).sum() / within.sum()
        descend(self.optimizers["network"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0), limit=1.0)
        found = {"distance": distance, "surprise": surprise}
        return {name: ((value * within).sum() / within.sum()).detach() for name, value in found.items()}


@torch.no_grad()
def landmarks_of(model: MorphableModel, pool: Pool) -> Float[Tensor, "pictures 68 2"]:
    """Where the landmarks of all pictures of a pool lie, in ndc (y up)."""
    parts = pool.params.split(PROJECTED)
    return torch.cat([project_landmarks(model, FaceParams.unflatten(model.layout, part)) for part in parts])


def gaussian(middle: Float[Tensor, "batch maps"], cells: int) -> Float[Tensor, "batch maps cells"]:
    """Shares of the cells along one side under a Gaussian about this place (ndc); they add up to 1."""
    away = (centres(cells, middle) - middle.unsqueeze(-1)) * cells / 2
    return (-away.square() / (2 * CELL**2)).softmax(dim=-1)


def _chosen(chance: float, count: int, generator: torch.Generator) -> Bool[Tensor, "count 1 1 1"]:
    return torch.rand(count, 1, 1, 1, generator=generator) < chance
