"""The scene code: a standard Gaussian vector per portrait, and which of its numbers decide what."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

SIZES = {
    "identity": 32,
    "albedo": 24,
    "expression": 24,
    "asymmetry": 12,
    "pose": 3,
    "translation": 3,
    "light": 8,
    "gaze": 2,
    "iris": 2,
    "hair_style": 1,
    "hair_colour": 3,
    "hair": 6,
    "hair_phase": 8,
    "clothing_kind": 1,
    "clothing": 9,
    "backdrop_kind": 1,
    "backdrop": 28,
    "glasses": 4,
}

CODE_DIM: int = sum(SIZES.values())
"""Numbers in one scene code."""


def sample_codes(seeds: Sequence[int]) -> Float[Tensor, "images code"]:
    """One code per seed, each from its own CPU generator, so that image k does not depend on the others."""
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(int(seed))
        rows.append(torch.randn(CODE_DIM, generator=generator))
    return torch.stack(rows) if rows else torch.zeros(0, CODE_DIM)


def split(codes: Float[Tensor, "images code"]) -> dict[str, Tensor]:
    """The code's parts by name, each [images, size]."""
    return dict(zip(SIZES, codes.split(list(SIZES.values()), dim=1), strict=True))


def uniform(code: Tensor) -> Tensor:
    """Standard Gaussian → uniform in [0, 1]."""
    return torch.special.ndtr(code)


def category(code: Float[Tensor, images], shares: Sequence[float]) -> Tensor:
    """Standard Gaussian → one of len(shares) categories with these probabilities (they are normalised)."""
    limits = torch.tensor(shares, device=code.device).cumsum(0)
    return torch.bucketize(uniform(code) * limits[-1], limits[:-1], right=True)
