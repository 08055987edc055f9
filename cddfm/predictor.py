"""T: s → p, the attribute prediction network (CDDFM3D 2022), on standardised codes and parameters."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from cddfm.blocks import Standardiser, param_layout, perceptron
from cddfm.errors import UserError
from cddfm.params import FaceParams

COLLAPSE_RATIO = 0.1
"""Predicted over true variance below which a predictor counts as collapsed to the mean face."""


class Predictor(nn.Module):
    """A multilayer perceptron with ELU from the style code to face parameters, raw units on both sides.

    style_dim: width of the code. sizes: counts of identity, expression and albedo coefficients. hidden: widths of the hidden layers.
    """

    def __init__(self, style_dim: int, sizes: Sequence[int], hidden: Sequence[int] = (1024, 512)):
        super().__init__()
        self.arguments = {"style_dim": style_dim, "sizes": list(sizes), "hidden": list(hidden)}
        self.layout = param_layout(sizes)
        self.styles = Standardiser(style_dim)
        self.statistics = Standardiser(self.layout.total)
        self.network = perceptron([style_dim, *hidden, self.layout.total])

    def standard(self, s: Float[Tensor, "batch style_dim"]) -> Float[Tensor, "batch total"]:
        """Flat parameters in units of the population's deviations."""
        return self.network(self.styles.standardise(s))

    def forward(self, s: Float[Tensor, "batch style_dim"]) -> FaceParams:
        return FaceParams.unflatten(self.layout, self.statistics.restore(self.standard(s)))


def variance_ratio(predicted: Float[Tensor, "batch total"], true: Float[Tensor, "batch total"]) -> Float[Tensor, ""]:
    """Total variance of predictions over that of the truth, both standardised: about R² when well fitted, 0 at collapse."""
    return predicted.var(dim=0).sum() / true.var(dim=0).sum().clamp(min=1e-8)


def require_variance(ratio: float, images: int) -> None:
    """Raises UserError when predictions have collapsed to their mean."""
    if not ratio >= COLLAPSE_RATIO:
        raise UserError(
            f"the predictor has collapsed to the mean face: after {images:,} images its variance is {ratio:.3f} of the true one, "
            f"below {COLLAPSE_RATIO}; lower the learning rate and train again"
        )
