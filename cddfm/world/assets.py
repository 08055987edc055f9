"""What every portrait shares: the head with its parts marked, the meshes around it, the roots of hair; made once per device."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.head import Head, build_head
from cddfm.morphable import MorphableModel
from cddfm.world import hats
from cddfm.world.body import COLLAR_RINGS, COLLAR_SECTORS, RINGS, SECTORS, collar_triangles, torso_points, torso_triangles
from cddfm.world.scalp import CENTRE, Scalp, bind_scalp, polar_of
from cddfm.world.shadow import ambient_occlusion
from cddfm.world.spectacles import EARRING_POINTS, FRAME_POINTS, earring_triangles, frame_triangles, lens_triangles
from cddfm.world.vectors import ramp
from cddfm.world.whiskers import Follicles, make_follicles, zones_of
from cuda_ops.rasterize import vertex_normals

SKIN, REST, HAIRS, EYE, TEETH, MOUTH, TORSO, COLLAR, HAT, FRAME, EARRING = range(11)
"""Parts that a triangle may belong to, in the order of a picture's samples; REST is skin that the face model's mask leaves out (ears,
scalp, neck), HAIRS are brows and lashes."""

PARTS = 11


@dataclass(frozen=True)
class Assets:
    """part: of every triangle of the solid mesh (head, torso, collar, hat, frame, earrings in this order).
    *_basis: in double precision. outer: its triangles
    without the back sides of thin things. rest: of every solid vertex, its
    place before any motion (hats: row, azimuth, brim). occlusion: share of the sky that head vertices see. stiff: 1 where a head vertex
    moves with the head, 0 where with the shoulders. reach, azimuth: of head vertices about the crown. oil: how much skin shines. eye_*:
    vertices and centre of each eyeball, right first."""

    model: MorphableModel
    shape_basis: Float[Tensor, "components coordinates"]
    albedo_basis: Float[Tensor, "albedo coordinates"]
    triangles: Int[Tensor, "triangles 3"]
    outer: Int[Tensor, "outer 3"]
    part: Int[Tensor, triangles]
    lenses: Int[Tensor, "lens 3"]
    rest: Float[Tensor, "3 solid"]
    occlusion: Float[Tensor, vertices]
    stiff: Float[Tensor, vertices]
    reach: Float[Tensor, vertices]
    azimuth: Float[Tensor, vertices]
    hairy: Float[Tensor, vertices]
    brows: Float[Tensor, vertices]
    beard: Float[Tensor, "4 vertices"]
    oil: Float[Tensor, vertices]
    wet: Float[Tensor, vertices]
    right_eye: Int[Tensor, right]
    left_eye: Int[Tensor, left]
    eye_offsets: Float[Tensor, "2 3"]
    scalp: Scalp
    follicles: Follicles
    ears: Int[Tensor, 2]
    lobes: Int[Tensor, 2]


@lru_cache(maxsize=4)
def assets(device: str = "cpu") -> Assets:
    """Built on the CPU (seconds), then moved."""
    if device != "cpu":
        return _moved(assets("cpu"), device)
    head = build_head()
    model, regions, mean = head.model, head.regions, head.model.mean
    torso = torso_points(torch.ones(1, 3))[0]
    pieces = (
        (model.triangles, len(mean)),
        (torso_triangles(), RINGS * SECTORS),
        (collar_triangles(), COLLAR_RINGS * COLLAR_SECTORS),
        (hats.hat_triangles(), hats.POINTS),
        (frame_triangles(), FRAME_POINTS),
        (earring_triangles(), EARRING_POINTS),
    )
    triangles, once, start = [], [], 0
    for number, (faces, count) in enumerate(pieces):
        triangles.append(faces + start)
        two_sided = number in (2, 3, 4)
        once.append(triangles[-1][: len(faces) // 2] if two_sided else triangles[-1])
        start += count
    part = [_head_parts(model, regions)]
    part += [torch.full((len(faces),), kind) for (faces, _), kind in zip(pieces[1:], (TORSO, COLLAR, HAT, FRAME, EARRING), strict=True)]
    eyes = regions["eyeballs"] | regions["iris"]
    right_eye, left_eye = (eyes & (mean[:, 0] < 0)).nonzero().squeeze(1), (eyes & (mean[:, 0] >= 0)).nonzero().squeeze(1)
    inside = regions["teeth"] | regions["mouth_interior"] | eyes
    hairs = regions["brow_hairs"] | regions["lashes"]
    surface = ~(inside | hairs | regions["ears"] | regions["lids"])
    reach, azimuth, _ = polar_of(mean.t() - torch.tensor(CENTRE)[:, None])
    outer = regions["ears"] & (mean[:, 1] > -1)
    low = regions["ears"] & (mean[:, 0].abs() > 7.2)
    normals = vertex_normals(mean[None], model.triangles)[0]
    return Assets(
        model=model,
        shape_basis=torch.cat([model.identity_basis, model.expression_basis]).flatten(1).double(),
        albedo_basis=model.albedo_basis.flatten(1).double(),
        triangles=torch.cat(triangles),
        outer=torch.cat(once),
        part=torch.cat(part),
        lenses=lens_triangles(),
        rest=_rest(_with_spots(mean, (right_eye, left_eye)), torso),
        occlusion=_occlusion(head, torso, normals, inside),
        stiff=torch.where(regions["neck"], ramp(mean[:, 1], -16.5, -10.0), torch.ones_like(mean[:, 1])),
        reach=reach,
        azimuth=azimuth,
        hairy=(surface & (mean[:, 1] > -9)).float(),
        brows=regions["brows"].float() * 0.30 + regions["brow_hairs"].float() * 0.45,
        beard=_beard(model, surface | regions["lips"], regions),
        oil=_oil(model, inside | hairs),
        wet=(regions["lips"]).float(),
        right_eye=right_eye,
        left_eye=left_eye,
        eye_offsets=torch.stack([_sphere_centre(mean[index]) - mean[index].mean(0) for index in (right_eye, left_eye)]),
        scalp=bind_scalp(mean, surface),
        follicles=make_follicles(model, surface & ~regions["lips"]),
        ears=torch.stack([(mean[:, 0] * side * outer).argmax() for side in (-1, 1)]),
        lobes=torch.stack([((mean[:, 0] * side > 0) * low * (10 - mean[:, 1])).argmax() for side in (-1, 1)]),
    )


def _moved(kit: Assets, device: str) -> Assets:
    def move(value: object) -> object:
        if isinstance(value, Tensor | MorphableModel):
            return value.to(device)
        return replace(value, **{field.name: move(getattr(value, field.name)) for field in fields(value)})

    return replace(kit, **{field.name: move(getattr(kit, field.name)) for field in fields(kit)})


def _with_spots(mean: Tensor, eyes: tuple[Tensor, Tensor]) -> Float[Tensor, "vertices 3"]:
    """On eyeballs, directions from the centre with the pupil along +z, whatever the direction of its resting gaze."""
    rest = mean.clone()
    for index in eyes:
        rest[index] = torch.nn.functional.normalize(mean[index] - _sphere_centre(mean[index]), dim=1)
    return rest


def _rest(mean: Tensor, torso: Tensor) -> Float[Tensor, "3 solid"]:
    collar = torso.unflatten(0, (RINGS, SECTORS))[2].repeat(COLLAR_RINGS, 1)
    rows = hats.SHELL_ROWS + hats.BRIM_ROWS
    row = torch.arange(rows).repeat_interleave(hats.COLUMNS + 1)
    azimuth = torch.linspace(-torch.pi, torch.pi, hats.COLUMNS + 1).repeat(rows)
    hat = torch.stack([(row / (hats.SHELL_ROWS - 1)).clamp(max=1.0), azimuth, (row >= hats.SHELL_ROWS).float()], dim=-1)
    return torch.cat([mean, torso, collar, hat, torch.zeros(FRAME_POINTS + EARRING_POINTS, 3)]).t().contiguous()


def _head_parts(model: MorphableModel, regions: dict[str, Tensor]) -> Int[Tensor, triangles]:
    corners = model.triangles
    part = torch.full((len(corners),), REST)
    part[model.skin[corners].all(1)] = SKIN
    part[regions["mouth_interior"][corners].any(1) & ~model.skin[corners].all(1)] = MOUTH
    part[regions["teeth"][corners].all(1)] = TEETH
    part[(regions["eyeballs"] | regions["iris"])[corners].all(1)] = EYE
    part[(regions["brow_hairs"] | regions["lashes"])[corners].all(1)] = HAIRS
    return part


def _sphere_centre(points: Float[Tensor, "points 3"]) -> Float[Tensor, 3]:
    """Least squares: |p|² = 2 p·c + constant."""
    rows = torch.cat([2 * points, torch.ones_like(points[:, :1])], dim=1).double()
    target = (points.double() ** 2).sum(1, keepdim=True)
    return torch.linalg.lstsq(rows, target).solution[:3, 0].to(points)


def _occlusion(head: Head, torso: Tensor, normals: Tensor, inside: Tensor) -> Float[Tensor, vertices]:
    light = ambient_occlusion(head, torso, torso_triangles(), normals)
    light = 0.08 + 0.92 * light.clamp(max=1) ** 1.5
    light = torch.where(inside, torch.ones_like(light), light)
    light = torch.where(head.regions["teeth"], torch.full_like(light, 0.8), light)
    return torch.where(head.regions["mouth_interior"], torch.full_like(light, 0.30), light)


def _oil(model: MorphableModel, inside: Tensor) -> Float[Tensor, vertices]:
    """The T-zone shines most: forehead, ridge and tip of the nose, tops of the cheeks, chin."""
    x, y, z = model.mean.unbind(-1)
    marks = model.mean[model.landmarks]

    def spot(place: Tensor, wide: float, tall: float) -> Tensor:
        return torch.exp(-0.5 * (((x.abs() - place[0].abs()) / wide) ** 2 + ((y - place[1]) / tall) ** 2)) * ramp(z, -6.0, -2.0)

    middle = torch.tensor([0.0, 5.0, 0.0])
    oil = 0.22 + 0.45 * spot(middle, 3.2, 1.6) + 0.6 * spot(marks[29], 0.7, 1.8) + 0.5 * spot(marks[30], 0.8, 0.6)
    oil = oil + 0.45 * spot(torch.tensor([4.4, -1.9, 0.0]), 1.3, 0.9) + 0.25 * spot(marks[8] + torch.tensor([0.0, 0.8, 0.0]), 1.0, 0.7)
    return torch.where(inside, torch.zeros_like(oil), oil.clamp(max=1.0))


def _beard(model: MorphableModel, surface: Tensor, regions: dict[str, Tensor]) -> Float[Tensor, "4 vertices"]:
    return zones_of(model, model.mean).t().contiguous() * (surface & ~regions["lips"] & ~regions["ears"]).float()
