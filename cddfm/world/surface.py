"""Stage → what every sample of the picture shows: a list of solid samples and a list of hair samples with everything their look needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.camera import Camera
from cddfm.world.assets import COLLAR, EARRING, EYE, FRAME, HAIRS, HAT, TORSO, Assets
from cddfm.world.body import paint_clothes
from cddfm.world.hair import LOCK
from cddfm.world.hair import SEGMENTS as HAIR_SEGMENTS
from cddfm.world.hats import paint_hat
from cddfm.world.looks import eye_colour, grain
from cddfm.world.scene import Scene
from cddfm.world.shadow import light_at
from cddfm.world.stage import Stage
from cddfm.world.vectors import ramp, scatter_numbers, unit
from cddfm.world.whiskers import SEGMENTS as WHISKER_SEGMENTS
from cuda_ops.rasterize import locate_pixels, visible_faces
from cuda_ops.strands import draw_strands

HAIR_WIDTH, WHISKER_WIDTH = 0.13, 0.055
"""Centimetres across one drawn hair."""


@dataclass(frozen=True)
class Solid:
    """Samples of solid surfaces. image, row, column: where. albedo: linear RGB. key, sky: share of the dominant and the ambient light.
    shine: how oily, wet or polished. place: position on the unmoved mesh, or direction in the eyeball."""

    image: Int[Tensor, pixels]
    row: Int[Tensor, pixels]
    column: Int[Tensor, pixels]
    part: Int[Tensor, pixels]
    albedo: Float[Tensor, "3 pixels"]
    normal: Float[Tensor, "3 pixels"]
    key: Float[Tensor, pixels]
    sky: Float[Tensor, pixels]
    shine: Float[Tensor, pixels]
    place: Float[Tensor, "3 pixels"]
    depth: Float[Tensor, pixels]


@dataclass(frozen=True)
class Strands:
    """Samples of hair. colour: linear RGB reflectance. mass: normal of the hair's mass. stage: 0 at the root to 1 at the tip. tone:
    irregular number of each hair in [−1, 1], lock: of each lock. across: −1 to 1 over a drawn lock. kind: 0 hair, 1 beard."""

    image: Int[Tensor, pixels]
    row: Int[Tensor, pixels]
    column: Int[Tensor, pixels]
    colour: Float[Tensor, "3 pixels"]
    tangent: Float[Tensor, "3 pixels"]
    mass: Float[Tensor, "3 pixels"]
    key: Float[Tensor, pixels]
    sky: Float[Tensor, pixels]
    stage: Float[Tensor, pixels]
    tone: Float[Tensor, pixels]
    lock: Float[Tensor, pixels]
    across: Float[Tensor, pixels]
    kind: Int[Tensor, pixels]
    depth: Float[Tensor, pixels]


def solid_samples(scene: Scene, kit: Assets, stage: Stage, size: int, widen: float = 1.0) -> Solid:
    """widen: factor on the iris."""
    screen = Camera().project(stage.solid)
    face = visible_faces(screen, kit.triangles, size, cull=True)
    rows = (face >= 0).nonzero(as_tuple=True)
    seen = face[rows]
    corners = kit.triangles.t()[:, seen] + rows[0] * stage.solid.shape[1]
    weights, depth = locate_pixels(screen, corners, rows, size)
    head, solid = stage.albedo.shape[2], stage.solid.shape[1]
    albedo = torch.nn.functional.pad(stage.albedo, (0, solid - head))
    oil = torch.nn.functional.pad(torch.maximum(kit.oil, 0.9 * kit.wet), (0, solid - head)).expand(len(scene), -1)
    vertex = torch.cat(
        [stage.normals, albedo, stage.rest.unsqueeze(1).expand(-1, len(scene), -1), stage.key[None], stage.sky[None], oil[None]]
    ).flatten(1)
    values = sum(vertex.index_select(1, corner) * weight for corner, weight in zip(corners, weights, strict=True))
    normal, albedo, place, (key, sky, shine) = unit(values[0:3]), values[3:6], values[6:9], values[9:12]
    part = kit.part[seen]
    thin = (part == COLLAR) | (part == HAT) | (part == FRAME)
    normal = torch.where(thin & (normal[2] < 0), -normal, normal)
    albedo, normal, shine = _paint(scene, stage, rows[0], part, albedo, normal, shine, place, widen)
    return Solid(rows[0], rows[1], rows[2], part, albedo, normal, key, sky, shine, place, depth)


def _paint(
    scene: Scene, stage: Stage, image: Tensor, part: Tensor, albedo: Tensor, normal: Tensor, shine: Tensor, place: Tensor, widen: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Reflectance and relief of the parts that are coloured by place instead of by vertex: the skin's grain, eyes, clothes, hats,
    frames."""
    skin_code = scene.skin.t()
    skin = (part < HAIRS).nonzero().squeeze(1)
    owner, where = image[skin], place[:, skin]
    phase = skin_code[4:6].index_select(1, owner) * 3
    fine, coarse = grain(where, phase, 9.0), grain(where, phase + 1, 1.7)
    freckles = (skin_code[2] - 0.78).clamp(min=0).index_select(0, owner) * 2.6
    spots = ramp(grain(where, phase + 2, 13.0) + 0.5 * grain(where, phase + 3, 5.0), 0.7, 1.05)
    spots = spots * freckles * ramp(where[2], -3.0, -1.0) * ramp(where[1], -6.0, -4.0) * ramp(where[1], 4.5, 2.0)
    tint = albedo.new_tensor([0.020, 0.028, 0.030])[:, None] * fine + albedo.new_tensor([0.010, 0.026, 0.026])[:, None] * coarse
    albedo[:, skin] = albedo[:, skin] * (1 + tint) * (1 - spots * albedo.new_tensor([0.30, 0.48, 0.55])[:, None])
    shine[skin] = shine[skin] * (0.45 + 0.9 * skin_code[0].index_select(0, owner)) * (1 + 0.25 * fine)

    eye = (part == EYE).nonzero().squeeze(1)
    lidded = 1 - 0.60 * ramp(place[1, eye], 0.02, 0.45)
    albedo[:, eye] = eye_colour(place[:, eye], scene.iris.t().index_select(1, image[eye]), widen) * lidded

    dressed = ((part == TORSO) | (part == COLLAR)).nonzero().squeeze(1)
    bare = stage.albedo.mean(2)[:, image[dressed]] * 0.95
    on_collar = (part[dressed] == COLLAR).float()
    albedo[:, dressed], cloth, tilt = paint_clothes(place[:, dressed], on_collar, scene.clothes, image[dressed], bare)
    normal[:, dressed] = unit(normal[:, dressed] + tilt)
    shine[dressed] = 0.25 * (1 - cloth)

    hat = (part == HAT).nonzero().squeeze(1)
    albedo[:, hat], tilt = paint_hat(place[:, hat], scene.hats, image[hat])
    normal[:, hat] = unit(normal[:, hat] + tilt)
    for kind, colour, polish in ((FRAME, scene.glasses.frame, 1.6), (EARRING, scene.earrings.colour, 2.5)):
        rows = (part == kind).nonzero().squeeze(1)
        albedo[:, rows] = colour.t().index_select(1, image[rows])
        shine[rows] = polish
    return albedo, normal, shine


def strand_samples(
    scene: Scene,
    stage: Stage,
    solid_depth: Float[Tensor, "batch height width"],
    hair_width: float = HAIR_WIDTH,
    relief: float = 0.0,
    guides_only: bool = False,
) -> Strands:
    """The nearest hair at each sample that shows one before what is solid (depth 0: nothing is). guides_only: one thick strand for each
    lock, as a sculptor would cut them."""
    size = solid_depth.shape[-1]
    camera = Camera()
    hairs, shown = stage.hairs, stage.hairs_shown
    if guides_only:
        hairs, shown = hairs[:, :, ::LOCK], shown[:, ::LOCK]
    lock = 1 if guides_only else LOCK
    hair_count, whisker_count = hairs.shape[2], stage.whiskers.shape[2]

    def segments(paths: Tensor) -> tuple[Tensor, Tensor]:
        screen = camera.project(paths.permute(1, 2, 3, 0).flatten(1, 2)).unflatten(1, paths.shape[2:]).permute(3, 0, 1, 2)
        return screen[..., :-1].flatten(2), screen[..., 1:].flatten(2)

    hair_starts, hair_ends = segments(hairs)
    face_starts, face_ends = segments(stage.whiskers)
    starts, ends = torch.cat([hair_starts, face_starts], dim=2), torch.cat([hair_ends, face_ends], dim=2)
    grown = torch.cat([shown.repeat_interleave(HAIR_SEGMENTS, 1), stage.whiskers_shown.repeat_interleave(WHISKER_SEGMENTS, 1)], dim=1)
    grown &= ~(_hidden(starts, solid_depth) & _hidden(ends, solid_depth))
    scale = camera.focal / camera.distance
    device = hairs.device
    thin = 1 - 0.55 * torch.linspace(0, 1, HAIR_SEGMENTS, device=device) ** 3
    width = torch.cat(
        [
            (hair_width * scale * thin).repeat(hair_count),
            torch.full((whisker_count * WHISKER_SEGMENTS,), WHISKER_WIDTH * scale, device=device),
        ]
    )
    drawn = draw_strands(starts, ends, grown, width.expand(len(scene), -1), size, relief / scale)
    behind = solid_depth[drawn.image, drawn.row, drawn.column]
    slack = torch.where(drawn.segment < hair_count * HAIR_SEGMENTS, 0.25, 0.10)
    drawn = drawn.take(((behind == 0) | (drawn.depth < behind + slack)).nonzero().squeeze(1))
    is_hair = drawn.segment < hair_count * HAIR_SEGMENTS
    local = drawn.segment - torch.where(is_hair, 0, hair_count * HAIR_SEGMENTS)
    steps = torch.where(is_hair, HAIR_SEGMENTS, WHISKER_SEGMENTS)
    strand, step = local // steps, local % steps

    def at(offset: int) -> Float[Tensor, "3 pixels"]:
        flat = torch.cat([hairs.flatten(1), stage.whiskers.flatten(1)], dim=1)
        of_hair = (drawn.image * hair_count + strand) * (HAIR_SEGMENTS + 1) + step + offset
        of_face = hairs[0].numel() + (drawn.image * whisker_count + strand) * (WHISKER_SEGMENTS + 1) + step + offset
        return flat.index_select(1, torch.where(is_hair, of_hair, of_face))

    start, end = at(0), at(1)
    point = start + (end - start) * drawn.along
    mass = _mass_normal(stage, point, drawn.image)
    kind = torch.where(is_hair, 0, 1)
    irregular = (scatter_numbers(4096, 60) * 2 - 1).to(device)
    stage_share = (step + drawn.along) / steps
    return Strands(
        image=drawn.image,
        row=drawn.row,
        column=drawn.column,
        colour=_strand_colour(scene, drawn.image, kind, stage_share),
        tangent=end - start,
        mass=mass,
        key=light_at(stage.key_map, point, 0.7, drawn.image),
        sky=light_at(stage.sky_map, point, 1.2, drawn.image),
        stage=stage_share,
        tone=irregular[(strand * 7 + 13 * lock) % 4096],
        lock=irregular[(strand // lock * 31 + 5) % 4096],
        across=drawn.across,
        kind=kind,
        depth=drawn.depth,
    )


def _mass_normal(stage: Stage, point: Float[Tensor, "3 pixels"], image: Tensor) -> Float[Tensor, "3 pixels"]:
    """Away from the head's upright axis: round above, upright as a column below the ears."""
    up = stage.rotation[:, :, 1].t().index_select(1, image)
    back = stage.rotation[:, :, 2].t().index_select(1, image)
    spoke = point - stage.origin.index_select(1, image) - 0.5 * back
    height = spoke[0] * up[0] + spoke[1] * up[1] + spoke[2] * up[2]
    return unit(spoke - up * height.clamp(max=4.5))


def _strand_colour(scene: Scene, image: Tensor, kind: Tensor, stage: Tensor) -> Float[Tensor, "3 pixels"]:
    hair = scene.hair
    colour = hair.colour.t().index_select(1, image) * (1 + (hair.tips - 1).t().index_select(1, image) * ramp(stage, 0.15, 1.0))
    return torch.where(kind == 1, scene.whiskers.beard_colour.t().index_select(1, image), colour)


def _hidden(ends: Float[Tensor, "3 batch segments"], solid_depth: Float[Tensor, "batch height width"]) -> Bool[Tensor, "batch segments"]:
    """Whether these ends lie well behind something solid: most hair of the head's far side, which need not be drawn."""
    batch, size, _ = solid_depth.shape
    column = ((ends[0] + 1) * (size / 2)).clamp(0, size - 1).long()
    row = ((1 - ends[1]) * (size / 2)).clamp(0, size - 1).long()
    start = torch.arange(batch, device=row.device)[:, None] * (size * size)
    depth = solid_depth.flatten().index_select(0, (start + row * size + column).flatten()).view(row.shape)
    return (depth > 0) & (ends[2] > depth + 1.2)
