"""What every portrait shares: the head with its parts marked, the meshes around it, the scalp under the hair; made once per device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.head import build_head
from cddfm.morphable import MorphableModel
from cddfm.world.body import glasses_triangles, torso
from cddfm.world.hair import COLUMNS, ROWS, Scalp, bind_scalp, polar_of, sheet_triangles
from cddfm.world.looks import ramp

SKIN, REST, EYE, TEETH, MOUTH, TORSO, GLASSES = range(7)
"""Parts that a triangle may belong to; REST is skin that the face model's mask leaves out (ears, scalp, neck)."""

PART_GLOSS = (0.055, 0.055, 0.05, 0.06, 0.0, 0.0, 0.25)
"""Strength of the highlight on each part."""

BUN_ROWS, BUN_COLUMNS = 8, 14

# Soft hollows that receive less light: landmark indices whose mean is the place, offset (cm), width (cm), depth of the darkness.
_HOLLOWS = (
    ((39,), (-0.1, 0.5, 0.2), 0.8, 0.46),
    ((42,), (0.1, 0.5, 0.2), 0.8, 0.46),
    ((37, 38), (0.0, 0.55, 0.1), 0.8, 0.42),
    ((43, 44), (0.0, 0.55, 0.1), 0.8, 0.42),
    ((36,), (-0.1, 0.2, 0.1), 0.8, 0.26),
    ((45,), (0.1, 0.2, 0.1), 0.8, 0.26),
    ((40, 41), (0.0, -0.35, 0.1), 0.7, 0.20),
    ((46, 47), (0.0, -0.35, 0.1), 0.7, 0.20),
    ((33,), (0.0, -0.1, -0.1), 0.75, 0.45),
    ((31,), (-0.25, 0.1, 0.0), 0.5, 0.25),
    ((35,), (0.25, 0.1, 0.0), 0.5, 0.25),
    ((57,), (0.0, -0.9, -0.3), 0.85, 0.24),
    ((48,), (-0.1, 0.0, 0.0), 0.5, 0.28),
    ((54,), (0.1, 0.0, 0.0), 0.5, 0.28),
    ((60, 64, 62, 66), (0.0, 0.0, -0.5), 0.6, 0.32),
)


@dataclass(frozen=True)
class Assets:
    """part: of every triangle. occlusion: light that reaches each head vertex, 0 to 1. stiff: 1 where a vertex moves with the head, 0 where
    with the shoulders. reach, azimuth: of head vertices about the crown. eye_*: vertices and centre of each eyeball, right first."""

    model: MorphableModel
    triangles: Int[Tensor, "triangles 3"]
    part: Int[Tensor, triangles]
    occlusion: Float[Tensor, vertices]
    stiff: Float[Tensor, vertices]
    reach: Float[Tensor, vertices]
    azimuth: Float[Tensor, vertices]
    hairy: Float[Tensor, vertices]
    lashes: Float[Tensor, vertices]
    brows: Bool[Tensor, vertices]
    eye_vertices: tuple[Int[Tensor, right], Int[Tensor, left]]
    eye_offsets: Float[Tensor, "2 3"]
    torso: Float[Tensor, "torso 3"]
    scalp: Scalp
    hair_triangles: Int[Tensor, "hair 3"]
    ears: Int[Tensor, 2]
    gloss: Float[Tensor, parts]


@lru_cache(maxsize=4)
def assets(device: str = "cpu") -> Assets:
    """Built on the CPU, then moved."""
    head = build_head()
    model, regions = head.model.to(device), {name: mask.to(device) for name, mask in head.regions.items()}
    mean = model.mean
    torso_points, torso_triangles = torso(mean.device)
    spectacles = glasses_triangles(mean.device)
    first, second = len(mean), len(mean) + len(torso_points)
    triangles = torch.cat([model.triangles, torso_triangles + first, spectacles + second])
    rest = torch.cat([torch.full((len(torso_triangles),), TORSO), torch.full((len(spectacles),), GLASSES)]).to(device)
    part = torch.cat([_head_parts(model, regions), rest])
    eyes = regions["eyeballs"] | regions["iris"]
    eye_vertices = ((eyes & (mean[:, 0] < 0)).nonzero().squeeze(1), (eyes & (mean[:, 0] >= 0)).nonzero().squeeze(1))
    offsets = torch.stack([_sphere_centre(mean[index]) - mean[index].mean(0) for index in eye_vertices])
    inside = regions["teeth"] | regions["mouth_interior"] | eyes
    reach, azimuth = polar_of(mean)
    surface = ~(inside | regions["ears"] | regions["lids"])
    ear_points = regions["ears"] & (mean[:, 1] > -1)
    ears = torch.stack([(mean[:, 0] * side * ear_points).argmax() for side in (-1, 1)])
    return Assets(
        model=model,
        triangles=triangles,
        part=part,
        occlusion=_occlusion(model, regions, inside),
        stiff=torch.where(regions["neck"], ramp(mean[:, 1], -15.0, -9.5), torch.ones_like(mean[:, 1])),
        reach=reach,
        azimuth=azimuth,
        hairy=(surface & (mean[:, 1] > -9)).float(),
        lashes=_lashes(model) * (~inside).float(),
        brows=regions["brows"],
        eye_vertices=eye_vertices,
        eye_offsets=offsets,
        torso=torso_points,
        scalp=bind_scalp(mean, surface),
        hair_triangles=torch.cat([sheet_triangles(mean.device), _bun_triangles(mean.device)]),
        ears=ears,
        gloss=torch.tensor(PART_GLOSS, device=mean.device),
    )


def _head_parts(model: MorphableModel, regions: dict[str, Tensor]) -> Int[Tensor, triangles]:
    corners = model.triangles
    part = torch.full((len(corners),), REST, device=corners.device)
    part[model.skin[corners].all(1)] = SKIN
    part[regions["mouth_interior"][corners].any(1) & ~model.skin[corners].all(1)] = MOUTH
    part[regions["teeth"][corners].all(1)] = TEETH
    part[(regions["eyeballs"] | regions["iris"])[corners].all(1)] = EYE
    return part


def _sphere_centre(points: Float[Tensor, "points 3"]) -> Float[Tensor, 3]:
    """Least squares: |p|² = 2 p·c + constant."""
    rows = torch.cat([2 * points, torch.ones_like(points[:, :1])], dim=1).double()
    target = (points.double() ** 2).sum(1, keepdim=True)
    return torch.linalg.lstsq(rows.cpu(), target.cpu()).solution[:3, 0].to(points)


def _occlusion(model: MorphableModel, regions: dict[str, Tensor], inside: Tensor) -> Float[Tensor, vertices]:
    mean = model.mean
    light = torch.ones_like(mean[:, 0])
    for landmarks, offset, width, depth in _HOLLOWS:
        place = mean[model.landmarks[list(landmarks)]].mean(0) + mean.new_tensor(offset)
        distance = ((mean - place) ** 2).sum(-1) / width**2
        light = light * (1 - depth * torch.exp(-0.5 * distance))
    chin = mean[model.landmarks[8]]
    below = ramp(chin[1] + 1.6 - mean[:, 1], 0.0, 2.4) * ramp(chin[2] - 0.6 - mean[:, 2], 0.0, 2.5)
    light = light * (1 - 0.62 * below)
    light = torch.where(regions["ears"], light * 0.85, light)
    light = torch.where(inside, torch.ones_like(light), light)
    light = torch.where(regions["teeth"], torch.full_like(light, 0.8), light)
    return torch.where(regions["mouth_interior"], torch.full_like(light, 0.35), light)


def _lashes(model: MorphableModel) -> Float[Tensor, vertices]:
    """How dark the lashes make each vertex: strong along the upper lids' edges, faint along the lower."""
    mean, marks = model.mean, model.mean[model.landmarks]
    dark = torch.zeros_like(mean[:, 0])
    for chain, strength in (((36, 37, 38, 39), 0.85), ((42, 43, 44, 45), 0.85), ((36, 41, 40, 39), 0.35), ((42, 47, 46, 45), 0.35)):
        for first, second in zip(chain[:-1], chain[1:], strict=True):
            start, along = marks[first], marks[second] - marks[first]
            share = ((mean - start) @ along / along.square().sum()).clamp(0, 1)
            distance = (mean - start - share[:, None] * along).norm(dim=1)
            dark = torch.maximum(dark, strength * (1 - ramp(distance, 0.08, 0.24)))
    return dark


def _bun_triangles(device: torch.device) -> Int[Tensor, "triangles 3"]:
    start = ROWS * (COLUMNS + 1)
    corner = (torch.arange(BUN_ROWS - 1)[:, None] * (BUN_COLUMNS + 1) + torch.arange(BUN_COLUMNS)).flatten() + start
    right, below = corner + 1, corner + BUN_COLUMNS + 1
    return torch.cat([torch.stack([corner, below, right], -1), torch.stack([right, below, below + 1], -1)]).to(device)
