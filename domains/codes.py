"""Scene codes and z: the Gaussian code of a picture, rotated, is part of the generator's z."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor


@cache
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


def latents(codes: Float[Tensor, "batch code"], scenes: int, z_dim: int, generator: torch.Generator) -> Float[Tensor, "batch z_dim"]:
    """z of codes in rounds, one of each of so many scenes, with noise from a CPU generator: the same for all codes of one scene."""
    noise = torch.randn(scenes, z_dim - codes.shape[1], generator=generator).to(codes)
    return latent_of(codes, noise.repeat(len(codes) // scenes, 1), code_rotation(z_dim).to(codes))
