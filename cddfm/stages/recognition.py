"""Training of a `Recogniser` on people of the world, by an additive angular margin."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from cddfm.objectives import descend
from cddfm.people_pool import People
from cddfm.recognise import Recogniser
from cddfm.stages.augment import Strength, Warp, degrade
from stylespace.schedule import rate_at

MILD = Strength(shift=0.06, scale=0.1, turn=0.1, gain=0.12, tint=0.04, gamma=0.05, soften=0.7, coarse=0.3, noise=0.05, cover=0.15)
"""Crops differ a little, cameras too, and skin keeps its tone."""

MARGIN_RISES = 0.3
"""Share of a training in which the margin grows from nothing: networks that have learnt nothing yet go astray under a full one."""


class ArcFace(nn.Module):
    """The additive angular margin loss (Deng et al. 2019, equation 3), the mean over a batch of

        −log( e^{s·cos(θ_y + m)} / (e^{s·cos(θ_y + m)} + Σ_{j≠y} e^{s·cos θ_j}) )

    with θ_j the angle between a picture's vector and the prototype of person j, y the person it shows, s the scale and m the margin
    (radians): a picture must be nearer to its own person than to any other by that angle. Where θ_y exceeds π − m, cos(θ_y + m) would rise
    again; cos θ_y − 1 + cos m takes its place, which joins it there and goes on falling.

    people: how many prototypes, which are learnt. features: numbers of a vector.
    """

    def __init__(self, people: int, features: int, scale: float = 30.0, margin: float = 0.4):
        super().__init__()
        self.scale, self.margin = scale, margin
        self.prototypes = nn.Parameter(torch.randn(people, features))

    def cosines(self, embeddings: Float[Tensor, "batch features"]) -> Float[Tensor, "batch people"]:
        """Of unit vectors and every prototype."""
        return embeddings @ functional.normalize(self.prototypes, dim=1).T

    def loss(self, cosines: Float[Tensor, "batch people"], people: Int[Tensor, " batch"], share: float = 1.0) -> Float[Tensor, ""]:
        """share: of the margin, 0 to 1."""
        margin = self.margin * share
        own = cosines.gather(1, people[:, None])
        sine = (1 - own.square()).clamp(min=1e-8).sqrt()
        behind = own - 1 + math.cos(margin)
        pushed = torch.where(own > -math.cos(margin), own * math.cos(margin) - sine * math.sin(margin), behind)
        return functional.cross_entropy(self.scale * cosines.scatter(1, people[:, None], pushed), people)


class RecognitionStage:
    """The ArcFace loss on mildly augmented portraits, mirrored ones among them.

    people: the training portraits, on the network's device. learning_rate: of AdamW, at its peak. scale, margin: `ArcFace`'s.
    """

    def __init__(
        self,
        *,
        network: Recogniser,
        people: People,
        total_images: int,
        batch: int,
        learning_rate: float = 1.5e-3,
        weight_decay: float = 0.05,
        scale: float = 30.0,
        margin: float = 0.4,
        strength: Strength = MILD,
    ):
        self.network = network.train()
        self.people = people
        self.total_images = total_images
        self.batch = batch
        self.learning_rate = learning_rate
        self.strength = strength
        numbers, self.classes = people.numbers.unique(return_inverse=True)
        self.arcface = ArcFace(len(numbers), network.arguments["features"], scale, margin).to(people.numbers.device)
        self.modules = {"network": network, "arcface": self.arcface}
        parameters = [*network.parameters(), *self.arcface.parameters()]
        self.optimizers = {"network": torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay)}

    def sample(self, generator: torch.Generator) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, " batch"]]:
        """Augmented pictures and the prototypes of those whom they show."""
        chosen = torch.randint(len(self.people), (self.batch,), generator=generator)
        images, _ = self.people.take(chosen)
        mirrored = (torch.rand(self.batch, 1, 1, 1, generator=generator) < 0.5).to(images.device)
        images = torch.where(mirrored, images.flip(3), images)
        images = Warp.draw(self.batch, generator, self.strength, images.device).images(images)
        return degrade(images, generator, self.strength), self.classes[chosen.to(self.classes.device)]

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        with torch.no_grad():
            images, people = self.sample(generator)
        cosines = self.arcface.cosines(self.network(images))
        share = min(1.0, position / (MARGIN_RISES * self.total_images))
        loss = self.arcface.loss(cosines, people, share)
        descend(self.optimizers["network"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0), limit=5.0)
        own = cosines.detach().gather(1, people[:, None])
        right = (cosines.detach() >= own).sum(dim=1) == 1
        return {"loss": loss.detach(), "own_cosine": own.mean(), "right": right.float().mean(), "margin": self.arcface.margin * share}
