"""Scene → everything placed before the camera: solid surfaces with what is painted on their vertices, strands of hair, and shadow maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.camera import rotation
from cddfm.lighting import LUMINANCE, direction, dominant
from cddfm.params import SH_CONSTANT
from cddfm.world import hats
from cddfm.world.assets import Assets
from cddfm.world.body import collar_points, torso_points
from cddfm.world.hair import LOCK, grow, growing, locks
from cddfm.world.hats import hat_points
from cddfm.world.scalp import hairline, radius_table
from cddfm.world.scene import Scene
from cddfm.world.shadow import LightMap, light_at, light_map
from cddfm.world.spectacles import earring_points, spectacles_points
from cddfm.world.vectors import dot, planes, points_of, ramp, turned, unit
from cddfm.world.whiskers import grow_whiskers
from cuda_ops.rasterize import vertex_normals

Warp = Callable[[Float[Tensor, "batch points 3"]], Float[Tensor, "batch points 3"]]


@dataclass(frozen=True)
class Stage:
    """In the world's frame. rest: place before motion, on eyeballs the direction with the pupil along +z. albedo: of head vertices. key,
    sky: share of the dominant and of the ambient light that reaches each solid vertex. hairs, whiskers: paths; *_shown: which grow.
    towards, strength: of the dominant light; ambient: light from everywhere."""

    solid: Float[Tensor, "batch solid 3"]
    normals: Float[Tensor, "3 batch solid"]
    rest: Float[Tensor, "3 solid"]
    albedo: Float[Tensor, "3 batch head"]
    key: Float[Tensor, "batch solid"]
    sky: Float[Tensor, "batch solid"]
    lenses: Float[Tensor, "batch lens 3"]
    hairs: Float[Tensor, "3 batch hairs points"]
    hairs_shown: Bool[Tensor, "batch hairs"]
    whiskers: Float[Tensor, "3 batch whiskers steps"]
    whiskers_shown: Bool[Tensor, "batch whiskers"]
    rotation: Float[Tensor, "batch 3 3"]
    origin: Float[Tensor, "3 batch"]
    towards: Float[Tensor, "batch 3"]
    strength: Float[Tensor, batch]
    ambient: Float[Tensor, "batch 3"]
    key_map: LightMap
    sky_map: LightMap

    def one(self, index: int) -> Stage:
        """The stage of one of the images."""
        rows, part = slice(index, index + 1), {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, LightMap):
                part[field.name] = replace(value, axes=value.axes[:, :, rows], values=value.values[rows])
            elif field.name in _IMAGES_SECOND:
                part[field.name] = value[:, rows]
            else:
                part[field.name] = value if field.name == "rest" else value[rows]
        return Stage(**part)


_IMAGES_SECOND = ("normals", "albedo", "hairs", "whiskers", "origin")


def set_stage(scene: Scene, kit: Assets, warp: Warp | None = None, guides_only: bool = False) -> Stage:
    """warp: a deformation of the head's frame (a style's other proportions). guides_only: one strand for each lock, as a sculptor would cut
    them."""
    params, model = scene.params, kit.model
    head = _geometry(scene, kit)
    centres = _eyes(kit, head)
    table = radius_table(kit.scalp, head)
    guides, extent, margin, azimuth = grow(scene.hair, table, _cap(scene))
    lock = 1 if guides_only else LOCK
    shown = growing(scene.hair, margin, azimuth, extent)[:, :, :lock]
    frame, lenses = spectacles_points(scene.glasses, centres, head[:, kit.ears], head[:, model.landmarks[28]])
    rings = earring_points(scene.earrings, head[:, kit.lobes])
    hat = hat_points(scene.hats, table)
    if warp is not None:
        head, hat, frame, lenses, rings = (warp(points) for points in (head, hat, frame, lenses, rings))
    turn, pivot = rotation(params.pose), model.pivot
    offset = (pivot + params.translation).t().contiguous()
    hairs = _hairs(scene, (guides, extent, azimuth), lock, warp, (pivot, turn, offset))

    def posed(points: Tensor) -> Tensor:
        return _placed(points, turn, pivot, params.translation)

    half = params.pose * params.pose.new_tensor([0.12, 0.40, 0.22])
    body_turn = rotation(half)
    still = _placed(head, body_turn, pivot, params.translation)
    moved = still + ((posed(head) - still).flatten(1) * kit.stiff.repeat_interleave(3)).view_as(still)
    torso = torso_points(scene.clothes.frame)
    collar = collar_points(scene.clothes, torso)
    dressed = _placed(torch.cat([torso, collar], dim=1), body_turn, pivot, params.translation)
    solid = torch.cat([moved, dressed, posed(hat), posed(frame), posed(rings)], dim=1)
    guides = _moved(guides, warp, (pivot, turn, offset))
    corner_normals = vertex_normals(solid, kit.outer)
    count = head.shape[1]
    whiskers, whiskers_shown = grow_whiskers(scene.whiskers, kit.follicles, moved, corner_normals[:, :count], turn)
    towards, strength, ambient = key_light(scene)
    occluders = torch.cat([planes(solid), guides[..., ::2].flatten(2)], dim=2)
    grown = shown[:, :, 0, None].expand(-1, -1, guides.shape[-1] // 2).flatten(1)
    blocking = torch.cat([torch.ones_like(solid[..., 0], dtype=torch.bool), grown], dim=1)
    key_map = light_map(occluders, towards, 1.1, blocking)
    above = unit(torch.stack([0.25 * towards[:, 0], 1 + 0 * towards[:, 0], 0.45 + 0 * towards[:, 0]])).t()
    sky_map = light_map(occluders, above, 0.35, blocking)
    normals = planes(corner_normals)
    points = planes(solid)
    facing = dot(normals, towards.t().unsqueeze(-1))
    key = 0.10 + 0.90 * light_at(key_map, points, 0.9 + 0.9 * (1 - facing.clamp(0, 1)))
    sky = 0.50 + 0.50 * light_at(sky_map, points, 1.6)
    albedo, shade = _painted(scene, kit)
    reached = torch.nn.functional.pad(kit.occlusion[None] * shade, (0, solid.shape[1] - count), value=1.0)
    return Stage(
        solid, normals, kit.rest, albedo, key, sky * reached, posed(lenses), hairs, shown.flatten(1), whiskers, whiskers_shown,
        turn, offset, towards, strength, ambient, key_map, sky_map,
    )  # fmt: skip


def _geometry(scene: Scene, kit: Assets) -> Float[Tensor, "batch vertices 3"]:
    """In double precision, so that the order in which a product is summed (it depends on the batch) does not show."""
    params, model = scene.params, kit.model
    coefficients = torch.cat([params.identity, params.expression], dim=1).double()
    return (model.mean + (coefficients @ kit.shape_basis).unflatten(1, (-1, 3))).float()


Motion = tuple[Float[Tensor, "3"], Float[Tensor, "batch 3 3"], Float[Tensor, "3 batch"]]
"""About which point, turned how, and where that point comes to lie."""


def _placed(points: Float[Tensor, "batch points 3"], turn: Tensor, pivot: Tensor, translation: Tensor) -> Float[Tensor, "batch points 3"]:
    """`camera.place` with what is added written out for every point, which is faster than rows of three."""
    count = points.shape[1]
    pivots, shift = pivot.repeat(count), translation.repeat(1, count)
    spokes = (points.flatten(1) - pivots).view_as(points) @ turn.transpose(1, 2)
    return spokes.flatten(1).add_(pivots).add_(shift).view_as(points)


def _moved(paths: Float[Tensor, "3 batch strands points"], warp: Warp | None, motion: Motion) -> Float[Tensor, "3 batch strands points"]:
    """Hair in the world's frame."""
    pivot, turn, offset = motion
    if warp is not None:
        paths = planes(warp(points_of(paths))).view_as(paths)
    return turned(paths - pivot.view(3, 1, 1, 1), turn).add_(offset.view(3, -1, 1, 1))


def _hairs(
    scene: Scene, grown: tuple[Tensor, Tensor, Tensor], lock: int, warp: Warp | None, motion: Motion
) -> Float[Tensor, "3 batch hairs points"]:
    """Every hair of every lock. On the CPU image by image, which is about as much as the cache holds."""
    (guides, extent, azimuth), (pivot, turn, offset) = grown, motion
    step = 1 if guides.device.type == "cpu" else len(scene)
    parts = []
    for rows in (slice(start, start + step) for start in range(0, len(scene), step)):
        paths = locks(scene[rows].hair, guides[:, rows], extent[rows], azimuth[rows], lock).flatten(2, 3)
        parts.append(_moved(paths, warp, (pivot, turn[rows], offset[:, rows])))
    return torch.cat(parts, dim=1)


def _cap(scene: Scene) -> Tensor:
    """1 where a hat presses the hair down."""
    return ((scene.hats.kind > 0) & (scene.hats.kind != hats.KINDS.index("headband"))).float()


def key_light(scene: Scene) -> tuple[Float[Tensor, "batch 3"], Float[Tensor, batch], Float[Tensor, "batch 3"]]:
    """Direction of the dominant light, how strong it is, and the light that comes from everywhere."""
    light = scene.params.light
    towards = direction(*dominant(light))
    bands = light.unflatten(1, (9, 3))
    grey = light.new_tensor(LUMINANCE)
    linear = (bands[:, 1:4] * grey).sum(-1)
    strength = (linear * linear).sum(1).sqrt()
    colour = bands[:, 1:4].square().sum(1).sqrt()
    # Of a distant light the constant band is π and the linear ones together 2π/3 · √3 times its intensity times SH_CONSTANT.
    ambient = bands[:, 0] * SH_CONSTANT - colour * (0.866 * SH_CONSTANT)
    return towards, strength, ambient.clamp(min=0.04)


def _eyes(kit: Assets, head: Tensor) -> Float[Tensor, "batch 2 3"]:
    """The eyeballs' centres, right first."""
    pairs = zip((kit.right_eye, kit.left_eye), kit.eye_offsets, strict=True)
    return torch.stack([head[:, index].double().mean(1).float() + offset for index, offset in pairs], dim=1)


def _painted(scene: Scene, kit: Assets) -> tuple[Float[Tensor, "3 batch head"], Float[Tensor, "batch head"]]:
    """Reflectance of the head with the scalp and the beard's ground in the hair's colour, and the hair's soft shadow beside its line."""
    model, hair, whiskers = kit.model, scene.hair, scene.whiskers
    albedo = (model.albedo_mean + (scene.params.albedo.double() @ kit.albedo_basis).unflatten(1, (-1, 3))).clamp(0, 1).float()
    albedo = planes(albedo)

    def cover(colour: Tensor, amount: Float[Tensor, "batch head"]) -> None:
        nonlocal albedo
        albedo = albedo + (colour.t().unsqueeze(-1) - albedo) * amount

    lift = kit.reach[None] - hairline(kit.azimuth[None], hair.field("recede")[:, None])
    bare = hair.field("bare")[:, None]
    crown = torch.where(
        bare > 0, torch.maximum(ramp(kit.reach[None] - bare, -0.05, 0.10), 0 * bare) * ramp(kit.azimuth.abs()[None], 0.4, 0.9), 1.0
    )
    soft = 0.07 + 0.10 * (hair.field("density")[:, None] < 0.5)
    covered = kit.hairy * ramp(lift, 0.03, -soft) * crown
    root = hair.colour * 0.62 + 0.05 * albedo.mean(2).t() * 0.2
    cover(root, 0.95 * covered * hair.field("tint")[:, None])
    ground = (whiskers.zones.t().unsqueeze(-1) * kit.beard.unsqueeze(1)).amax(0)
    thick = (0.35 + 0.5 * ramp(whiskers.extent, 0.2, 0.9))[:, None]
    cover(whiskers.beard_colour * 0.8 + 0.01, ground * thick * 0.85)
    cover(whiskers.brow_colour * 1.1, kit.brows[None])
    flush = (scene.skin[:, 1] - 0.35).clamp(min=0)[:, None] * kit.wet
    albedo = albedo * (1 - flush * albedo.new_tensor([0.05, 0.45, 0.40]).view(3, 1, 1) * (scene.presentation < 0).float()[:, None])
    volume = (hair.field("volume") * hair.field("density")).clamp(max=2.0)[:, None] / 2.0
    shadow = (0.10 + 0.25 * volume) * ramp(lift, 0.14, -0.02) * kit.hairy * (hair.field("density")[:, None] > 0.5)
    return albedo, 1 - shadow
