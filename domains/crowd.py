"""Do made pictures, as a crowd, look as true ones do? Their Fréchet distance in a network's features, as a loss.

Whoever draws what a picture most likely shows draws too little that is unlikely: losses that compare pictures one by one make crowds whose
features vary less than they should, about a mean that is off. The Fréchet distance between two Gaussians (Heusel et al. 2017) is the mean
of |f − T(f)|², where T is the optimal transport of one Gaussian to the other, an affine map (Peyré and Cuturi 2019, "Computational optimal
transport", remark 2.31):

    T(f) = μ_true + A (f − μ_made),    A = Σ_made^−½ (Σ_made^½ Σ_true Σ_made^½)^½ Σ_made^−½,

so every picture is drawn to where the transport sends its features. Mathiasen and Hvilshøj 2020 ("Backpropagating through Fréchet
Inception Distance") descend the distance itself, for which a batch has to be a crowd; here batches are small, and both Gaussians are
followed by moving averages. As every made picture has a true one of the same scene, chance is nearly the same in both and drops out.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

HALF_LIFE = 4000
"""Pictures after which half of a moving average is of newer ones. With 1,000, by which one of the two states learned whose mean the shipped
paintings are, nothing was gained that pictures of the same scenes show."""

LEAST, ENOUGH = 4000, 8000
"""Pictures that must have been seen before anything is asked for, and before all is, more and more between them: of a few for each of its
features a crowd has a poor covariance, and what is asked for then, or all at once, does harm."""

EVERY = 8
"""Batches after which the transport is found anew."""

RIDGE = 1e-5
"""Of the features' variance: added to that of each feature, so that those that never vary can be divided by."""


class Crowd(nn.Module):
    """Follows the features [batch, features] of made and true pictures. `transport`, `made_mean`, `true_mean`: A and both μ."""

    made_mean: Tensor
    true_mean: Tensor
    made_products: Tensor
    true_products: Tensor
    transport: Tensor
    variance: Tensor
    batches: Tensor
    pictures: Tensor

    def __init__(self, features: int):
        super().__init__()
        for kind in ("made", "true"):
            self.register_buffer(f"{kind}_mean", torch.zeros(features))
            self.register_buffer(f"{kind}_products", torch.zeros(features, features))
        self.register_buffer("transport", torch.eye(features))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("pictures", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, made: Float[Tensor, "batch features"], true: Float[Tensor, "batch features"]) -> None:
        """Take in a batch of both."""
        count = len(made)
        share = share_of(count, int(self.pictures))
        self.pictures += count
        for kind, batch in (("made", made), ("true", true)):
            getattr(self, f"{kind}_mean").lerp_(batch.mean(dim=0), share)
            getattr(self, f"{kind}_products").lerp_(batch.T @ batch / count, share)
        if int(self.batches) % EVERY == 0:
            made_covariance, true_covariance = self._covariance("made"), self._covariance("true")
            self.transport.copy_(transport_between(made_covariance, true_covariance))
            self.variance.copy_(true_covariance.trace())
        self.batches += 1

    def forward(self, made: Float[Tensor, "batch features"]) -> Float[Tensor, ""]:
        """Mean |f − T(f)|² over the true features' variance, T(f) without a gradient, times `trust_of` the pictures seen."""
        trust = trust_of(int(self.pictures))
        if not trust:
            return made.new_zeros(())
        sent = self.true_mean + (made.detach() - self.made_mean) @ self.transport
        return trust * (made - sent).square().sum(dim=1).mean() / self.variance

    def _covariance(self, kind: str) -> Float[Tensor, "features features"]:
        """In float64, with the ridge."""
        mean, products = (getattr(self, f"{kind}_{name}").double() for name in ("mean", "products"))
        covariance = products - torch.outer(mean, mean)
        return covariance + RIDGE * covariance.trace() * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)


def transport_between(
    one: Float[Tensor, "features features"], other: Float[Tensor, "features features"]
) -> Float[Tensor, "features features"]:
    """A of the module, symmetric: A Σ₁ A = Σ₂. Both covariances positive definite."""
    values, vectors = torch.linalg.eigh(one)
    values = values.clamp_min(torch.finfo(values.dtype).eps * values[-1])
    root, inverse = (vectors * values.sqrt()) @ vectors.T, (vectors / values.sqrt()) @ vectors.T
    middle_values, middle_vectors = torch.linalg.eigh(root @ other @ root)
    middle = (middle_vectors * middle_values.clamp_min(0.0).sqrt()) @ middle_vectors.T
    return inverse @ middle @ inverse


def trust_of(seen: int) -> float:
    """How much of what moving averages of so many pictures say is asked for."""
    return min(max((seen - LEAST) / (ENOUGH - LEAST), 0.0), 1.0)


def share_of(count: int, seen: int) -> float:
    """How much of a moving average a batch becomes, when so many pictures were seen before it."""
    return 1 - 0.5 ** (count / min(HALF_LIFE, 0.25 * (seen + count))) if seen else 1.0
