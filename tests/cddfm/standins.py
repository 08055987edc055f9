"""A small morphable model, generator and estimator that tests share: seconds instead of minutes."""

from __future__ import annotations

import math

import torch

from cddfm.data import Pool
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.reconstruct import Reconstructor
from stylespace.generator import Generator


def small_model(rings: int = 9, spokes: int = 10) -> MorphableModel:
    """Half an egg that looks at the camera: 3 identity, 4 expression, 2 albedo coefficients."""
    randomness = torch.Generator().manual_seed(0)
    polar, around = torch.meshgrid(torch.linspace(0.05, 1.5, rings), torch.arange(spokes) * 2 * math.pi / spokes, indexing="ij")
    mean = torch.stack([7 * polar.sin() * around.cos(), 9 * polar.sin() * around.sin(), 8 * polar.cos() - 5], dim=-1).reshape(-1, 3)
    ring, spoke = torch.meshgrid(torch.arange(rings - 1), torch.arange(spokes), indexing="ij")
    corner, beside = ring * spokes + spoke, ring * spokes + (spoke + 1) % spokes
    triangles = torch.stack([corner, corner + spokes, beside, beside, corner + spokes, beside + spokes], dim=-1).reshape(-1, 3)
    count = mean.shape[0]

    def basis(size: int, strength: float) -> torch.Tensor:
        return strength * torch.randn(size, count, 3, generator=randomness)

    return MorphableModel(
        name="egg",
        mean=mean,
        identity_basis=basis(3, 0.3),
        expression_basis=basis(4, 0.6),
        albedo_mean=torch.full((count, 3), 0.5),
        albedo_basis=basis(2, 0.1),
        triangles=triangles,
        landmarks=torch.arange(68),
        skin=torch.ones(count, dtype=torch.bool),
        pivot=torch.tensor([0.0, -3.0, -7.0]),
        identity_names=("a", "b", "c"),
        expression_names=("jawOpen", "smile", "blink_L", "blink_R"),
        albedo_names=("tone", "redness"),
    )


SIZES = (3, 4, 2)


def random_params(model: MorphableModel, count: int, seed: int = 0) -> FaceParams:
    randomness = torch.Generator().manual_seed(seed)
    neutral = FaceParams.neutral(model.layout, count).flatten()
    params = FaceParams.unflatten(model.layout, neutral + 0.2 * torch.randn(neutral.shape, generator=randomness))
    return params.replace(translation=params.translation * 2)


def small_generator(resolution: int = 16) -> Generator:
    torch.manual_seed(0)
    return Generator(resolution=resolution, z_dim=8, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2).eval()


def small_estimator() -> Reconstructor:
    torch.manual_seed(1)
    return Reconstructor("residual", 16, SIZES, width=8, hidden=16).eval()


def small_pool(model: MorphableModel, count: int = 24, resolution: int = 16) -> Pool:
    """Pictures whose mean colour tells the parameters apart; not faces."""
    params = random_params(model, count)
    images = (params.pose[:, :, None, None] * 200 + 128).clamp(0, 255).to(torch.uint8).expand(-1, -1, resolution, resolution).clone()
    return Pool(images, params.flatten(), torch.zeros(count, 4))


def numbered_pool(first: int, codes: torch.Tensor, facts: int) -> Pool:
    """One portrait of each code, whose picture and `facts` parameters tell its number, from `first` on (`numbers_in`)."""
    values = torch.arange(first, first + len(codes))
    images = values[:, None, None, None].expand(-1, 3, 8, 8).to(torch.uint8)
    return Pool(images, values[:, None].expand(-1, facts).float(), codes)


def numbers_in(images: torch.Tensor) -> torch.Tensor:
    """The numbers that such pictures tell."""
    return ((images[:, 0, 0, 0] + 1) * 127.5).round()
