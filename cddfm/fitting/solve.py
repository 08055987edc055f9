"""What is likely before anything was seen, and damped Gauss–Newton steps that respect it and the bounds of named expressions.

The cost is ½ rᵀ W r + the negative logarithm of the prior: standard Gaussians for what a model counts in standard deviations; for named
expressions, which rest at 0 most of the time, an exponential distribution on [0, 1], as a quadratic that is renewed at every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.morphable import MorphableModel
from cddfm.params import LIGHT_BANDS, FaceParams

TYPICAL_EXPRESSION = 0.25
"""Mean strength of a named expression."""

REST = 0.05
"""Strengths below this count as this much where the quadratic is renewed."""

TRANSLATION_DEVIATION = (1.5, 1.5, 2.5)
"""Centimetres; depth and size are hard to tell apart, so that this decides between them."""

LIGHT_DEVIATION = (2.0, *[1.0] * 3, *[0.4] * 5)
"""By band: real light is smooth."""

POSE_DEVIATION = 3.0
"""Radians: nothing is assumed."""

READ_DEVIATION = {"identity": 0.35, "expression": 0.1, "albedo": 1.0, "pose": 0.03, "light": 1.0, "translation": 0.3}
"""Coefficients, radians, centimetres: by how much what a network read of a face may be corrected where landmarks are seen elsewhere."""

LARGEST_STEP = 1.5
"""No coefficient changes by more in one step."""


@dataclass(frozen=True)
class Prior:
    """centre, deviation: of each Gaussian parameter. sparse: which parameters are named expressions."""

    centre: Float[Tensor, total]
    deviation: Float[Tensor, total]
    sparse: Bool[Tensor, total]

    @staticmethod
    def of(model: MorphableModel) -> Prior:
        layout, like = model.layout, model.mean
        centre = FaceParams.neutral(layout, 1, like.device).flatten()[0].to(like)
        deviation = torch.ones_like(centre)
        deviation[layout.slices["pose"]] = POSE_DEVIATION
        deviation[layout.slices["light"]] = like.new_tensor(LIGHT_DEVIATION).repeat_interleave(3)
        deviation[layout.slices["translation"]] = like.new_tensor(TRANSLATION_DEVIATION)
        sparse = torch.zeros(layout.total, dtype=torch.bool, device=like.device)
        sparse[layout.slices["expression"]] = torch.tensor([not counted(name) for name in model.expression_names], device=like.device)
        assert LIGHT_BANDS * 3 == layout.sizes["light"]
        return Prior(centre, deviation, sparse)

    @staticmethod
    def about(read: FaceParams) -> Prior:
        """Of one face, of which a network has read this much: every parameter is Gaussian."""
        centre = read.flatten()[0]
        deviation = torch.cat([centre.new_full((size,), READ_DEVIATION[group]) for group, size in read.layout.sizes.items()])
        return Prior(centre, deviation, torch.zeros_like(centre, dtype=torch.bool))

    def precision(self, flat: Float[Tensor, total]) -> Float[Tensor, total]:
        """Of the quadratic that touches the prior at these parameters."""
        strength = flat.abs().clamp(min=REST)
        return torch.where(self.sparse, 1 / (TYPICAL_EXPRESSION * strength), self.deviation.to(flat) ** -2)

    def cost(self, flat: Float[Tensor, total]) -> float:
        gaussian = 0.5 * ((flat - self.centre) / self.deviation) ** 2
        return float(torch.where(self.sparse, flat.abs() / TYPICAL_EXPRESSION, gaussian).sum())

    def to(self, like: Tensor) -> Prior:
        return Prior(self.centre.to(like), self.deviation.to(like), self.sparse)


def counted(name: str) -> bool:
    """Whether a component has a number and no meaning, and so runs in standard deviations."""
    return name.startswith("expression") and name.removeprefix("expression").isdigit()


@dataclass(frozen=True)
class Normal:
    """JᵀWJ and JᵀWr of some residuals."""

    matrix: Float[Tensor, "total total"]
    vector: Float[Tensor, total]

    def __add__(self, other: Normal) -> Normal:
        return Normal(self.matrix + other.matrix, self.vector + other.vector)

    @staticmethod
    def of(jacobian: Float[Tensor, "rows total"], residual: Float[Tensor, rows], weight: Float[Tensor, rows]) -> Normal:
        weighted = jacobian * weight.unsqueeze(1)
        return Normal((weighted.T @ jacobian).double(), (weighted.T @ residual).double())


def step(
    flat: Float[Tensor, total], normal: Normal, prior: Prior, free: Bool[Tensor, total], damping: float = 0.0
) -> Float[Tensor, total]:
    """The parameters that minimise the quadratic model of the cost within the bounds, those that are not `free` held."""
    here, wide = flat.double(), prior.to(flat.double())
    precision = wide.precision(here)
    matrix = normal.matrix + torch.diag(precision)
    matrix = matrix + damping * torch.diag(matrix.diagonal())
    vector = normal.vector + precision * (here - wide.centre)
    low = torch.where(wide.sparse, 0.0, -torch.inf).double()
    high = torch.where(wide.sparse, 1.0, torch.inf).double()
    active = free.clone()
    change = torch.zeros_like(here)
    for _ in range(6):  # those that would leave their bounds are held at them, and the others solved for again
        chosen = active.nonzero().squeeze(1)
        held = (~active & free).nonzero().squeeze(1)
        right = vector[chosen] + matrix[chosen][:, held] @ change[held]
        change[chosen] = -torch.linalg.solve(matrix[chosen][:, chosen], right)
        outside = active & ((here + change < low - 1e-9) | (here + change > high + 1e-9))
        change = (here + change).clamp(low, high) - here
        if not outside.any():
            break
        active &= ~outside
    return (here + change.clamp(-LARGEST_STEP, LARGEST_STEP)).to(flat)
