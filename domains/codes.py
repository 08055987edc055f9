"""Scene codes and z: the Gaussian code of a picture, rotated, is part of the generator's z."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def code_rotation(z_dim: int) -> Float[Tensor, "z_dim z_dim"]:
    """A fixed random rotation, so that no single z is a single property of the world."""
    gaussian = torch.randn(z_dim, z_dim, generator=torch.Generator().manual_seed(20))
    orthogonal, triangular = torch.linalg.qr(gaussian)
    return orthogonal * triangular.diagonal().sign()


def latent_of(codes: Float[Tensor, "batch code"], rotation: Tensor, generator: torch.Generator) -> Float[Tensor, "batch z"]:
    """z = R (code, noise). Raises ValueError when the code is longer than z."""
    spare = rotation.shape[0] - codes.shape[1]
    if spare < 0:
        raise ValueError(f"a scene code of {codes.shape[1]} numbers does not fit into z of {rotation.shape[0]}; raise z_dim")
    noise = torch.randn(codes.shape[0], spare, generator=generator).to(codes.device)
    return torch.cat([codes, noise], dim=1) @ rotation.T
