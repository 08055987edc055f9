"""The scene code: a standard Gaussian vector per portrait, and which of its numbers decide what."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

SIZES = {
    "presentation": 1,
    "identity": 80,
    "albedo": 40,
    "expressiveness": 1,
    "expression": 56,
    "asymmetry": 20,
    "pose": 3,
    "translation": 3,
    "light": 8,
    "gaze": 2,
    "iris": 4,
    "skin": 6,
    "hair_style": 1,
    "hair_colour": 5,
    "hair": 8,
    "hair_phase": 8,
    "beard": 5,
    "clothing_kind": 2,
    "clothing": 16,
    "backdrop_kind": 1,
    "backdrop": 32,
    "glasses": 8,
    "hat": 8,
    "earrings": 5,
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


def category(code: Float[Tensor, images], shares: Sequence[float] | Float[Tensor, "images kinds"]) -> Tensor:
    """Standard Gaussian → one of the categories with these probabilities (they are normalised), the same for all images or one row each."""
    table = torch.as_tensor(shares, device=code.device, dtype=torch.float32)
    table = table.expand(len(code), -1) if table.dim() == 1 else table
    limits = table.cumsum(1)
    place = uniform(code)[:, None] * limits[:, -1:]
    return (place >= limits[:, :-1]).sum(1)
