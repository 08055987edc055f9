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


def latent_of(
    codes: Float[Tensor, "batch code"], noise: Float[Tensor, "batch spare"], rotation: Float[Tensor, "z_dim z_dim"]
) -> Float[Tensor, "batch z_dim"]:
    """z = R (code, noise). Raises ValueError when the two do not fill z."""
    if codes.shape[1] + noise.shape[1] != rotation.shape[0]:
        raise ValueError(
            f"a scene code of {codes.shape[1]} numbers and noise of {noise.shape[1]} do not make a z of {rotation.shape[0]}; "
            f"z_dim is at least the code's length"
        )
    return torch.cat([codes, noise], dim=1) @ rotation.T
