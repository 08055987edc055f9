"""The linear baseline, of the kind of InterFaceGAN and GANSpace (2020): one direction of style space for each face parameter.

Ridge regression from standardised parameters to standardised codes gives the directions, s′ = s + W·Δp, and a second one from codes to
parameters reads them back. What a straight line through the whole population cannot say is what the other methods are measured by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.blocks import Standardiser, limited, param_layout
from cddfm.errors import UserError
from cddfm.params import FaceParams, ParamStatistics
from cddfm.rig import refuse_unknown

ALPHAS = tuple(10.0**exponent for exponent in range(-1, 6))
"""Strengths of regularisation that cross-validation chooses from; both sides of the regression are standardised."""


class LinearRig(nn.Module):
    """Two linear maps between style codes and face parameters; raw units outside.

    style_dim: width of the code. sizes: counts of identity, expression, albedo coefficients.
    """

    def __init__(self, style_dim: int, sizes: Sequence[int]):
        super().__init__()
        self.arguments = {"style_dim": style_dim, "sizes": list(sizes)}
        self.layout = param_layout(sizes)
        self.styles = Standardiser(style_dim)
        self.statistics = Standardiser(self.layout.total)
        self.write = nn.Parameter(torch.zeros(style_dim, self.layout.total))
        self.read = nn.Parameter(torch.zeros(self.layout.total, style_dim))

    def predict(self, s: Float[Tensor, "batch style_dim"]) -> FaceParams:
        standard = self.styles.standardise(s) @ self.read.T
        return FaceParams.unflatten(self.layout, self.statistics.restore(standard))

    def edit(self, s: Float[Tensor, "batch style_dim"], deltas: Mapping[str, Tensor]) -> Float[Tensor, "batch style_dim"]:
        """s + W·Δp over the edited attributes. deltas: attribute → `[batch, size]` in raw units; a parameter moves by at most 6 population
        deviations. A code whose Δ is all zero comes back bit for bit."""
        refuse_unknown(deltas)
        for attribute, delta in deltas.items():
            part = self.layout.slices[attribute]
            change = limited(delta / self.statistics.deviation[part]) @ self.write[:, part].T
            s = s + change * self.styles.deviation
        return s


def fit_linear(s: Float[Tensor, "samples style_dim"], flat: Float[Tensor, "samples total"], sizes: Sequence[int]) -> tuple[LinearRig, dict]:
    """The baseline fitted to codes and the flat parameters read off their pictures, and what cross-validation found: for each of the two
    regressions the alpha and the share of variance explained when each sample is left out in turn."""
    if len(s) < 8:
        raise UserError(f"the linear baseline needs 8 samples or more, not {len(s)}; raise total_images")
    rig = LinearRig(s.shape[1], sizes).to(s.device)
    rig.styles.fit(ParamStatistics.measure(s))
    rig.statistics.fit(ParamStatistics.measure(flat))
    codes, params = rig.styles.standardise(s), rig.statistics.standardise(flat)
    facts = {}
    with torch.no_grad():
        for name, inputs, outputs, weight in (("write", params, codes, rig.write), ("read", codes, params, rig.read)):
            solution, facts[name] = _ridge(inputs, outputs)
            weight.copy_(solution)
    return rig.eval().requires_grad_(False), facts


def _ridge(
    inputs: Float[Tensor, "samples inputs"], outputs: Float[Tensor, "samples outputs"]
) -> tuple[Float[Tensor, "outputs inputs"], dict[str, float]]:
    """Ridge regression with alpha by generalised cross-validation (leave one out)."""
    from sklearn.linear_model import RidgeCV

    fitted = RidgeCV(ALPHAS, fit_intercept=False).fit(inputs.cpu().numpy(), outputs.cpu().numpy())
    explained = 1.0 + float(fitted.best_score_) / max(float(outputs.square().mean()), 1e-12)
    return torch.as_tensor(fitted.coef_).to(inputs), {"alpha": float(fitted.alpha_), "explained": round(explained, 4)}
