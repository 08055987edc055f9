"""Stage → what every sample of the picture shows: a list of solid samples and a list of hair samples with everything their look needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cddfm.camera import Camera
from cddfm.world.assets import COLLAR, EARRING, EYE, FRAME, HAT, PARTS, REST, SKIN, TORSO, Assets
from cddfm.world.cloth import paint_clothes
from cddfm.world.hair import GUIDES
from cddfm.world.hair import SEGMENTS as HAIR_SEGMENTS
from cddfm.world.hats import paint_hat
from cddfm.world.looks import eye_colour, grain
from cddfm.world.scene import Scene
from cddfm.world.shadow import light_at
from cddfm.world.stage import Stage
from cddfm.world.vectors import of_each, ramp, scatter_numbers, unit
from cddfm.world.whiskers import SEGMENTS as WHISKER_SEGMENTS
from cuda_ops.rasterize import visible_faces
from cuda_ops.strands import draw_strands
from cuda_ops.surface import sample_surface

HAIR_WIDTH, WHISKER_WIDTH = 0.13, 0.055
"""Centimetres across one drawn hair."""


@dataclass(frozen=True)
class Solid:
    """Samples of solid surfaces, sorted by part. starts: the first of each part. image, row, column: where. albedo: linear RGB. key, sky:
    share of the dominant and the ambient light. shine: how oily, wet or polished. place: position on the unmoved mesh, or direction in the
    eyeball."""

    image: Int[Tensor, pixels]
    row: Int[Tensor, pixels]
    column: Int[Tensor, pixels]
    starts: tuple[int, ...]
    albedo: Float[Tensor, "3 pixels"]
    normal: Float[Tensor, "3 pixels"]
    key: Float[Tensor, pixels]
    sky: Float[Tensor, pixels]
    shine: Float[Tensor, pixels]
    place: Float[Tensor, "3 pixels"]
    depth: Float[Tensor, pixels]

    def of(self, part: int, last: int | None = None) -> slice:
        """The samples of one part, or of this part to the last."""
        return slice(self.starts[part], self.starts[(part if last is None else last) + 1])


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
    head, solid = stage.albedo.shape[2], stage.solid.shape[1]
    albedo = torch.nn.functional.pad(stage.albedo, (0, solid - head))
    oil = torch.nn.functional.pad(torch.maximum(kit.oil, 0.9 * kit.wet), (0, solid - head)).expand(len(scene), -1)
    vertex = torch.cat(
        [stage.normals, albedo, stage.rest.unsqueeze(1).expand(-1, len(scene), -1), stage.key[None], stage.sky[None], oil[None]]
    )
    seen = sample_surface(screen, kit.triangles, face, kit.part, PARTS, vertex)
    values = seen.attributes
    normal, albedo, place, (key, sky, shine) = unit(values[0:3]), values[3:6], values[6:9], values[9:12]
    drawn = Solid(seen.image, seen.row, seen.column, seen.starts, albedo, normal, key, sky, shine, place, seen.depth)
    thin = drawn.of(COLLAR, FRAME)  # seen from both sides
    normal[:, thin] = torch.where(normal[2, thin] < 0, -normal[:, thin], normal[:, thin])
    _paint(scene, stage, drawn, widen)
    return drawn


def _paint(scene: Scene, stage: Stage, drawn: Solid, widen: float) -> None:
    """Reflectance and relief, in place, of what is coloured by place and not by vertex: the skin's grain, eyes, clothes, hats, frames."""
    image, place, albedo, normal, shine = drawn.image, drawn.place, drawn.albedo, drawn.normal, drawn.shine
    skin_code = scene.skin.t()
    skin = drawn.of(SKIN, REST)
    owner, where = image[skin], place[:, skin]
    phase = of_each(skin_code[4:6], owner) * 3
    fine, coarse = grain(where, phase, 9.0), grain(where, phase + 1, 1.7)
    tint = albedo.new_tensor([0.020, 0.028, 0.030])[:, None] * fine + albedo.new_tensor([0.010, 0.026, 0.026])[:, None] * coarse
    albedo[:, skin] *= 1 + tint
    freckled = (skin_code[2] - 0.78).clamp(min=0)
    if bool(freckled.any()):
        spots = ramp(grain(where, phase + 2, 13.0) + 0.5 * grain(where, phase + 3, 5.0), 0.7, 1.05) * of_each(freckled, owner) * 2.6
        spots = spots * ramp(where[2], -3.0, -1.0) * ramp(where[1], -6.0, -4.0) * ramp(where[1], 4.5, 2.0)
        albedo[:, skin] *= 1 - spots * albedo.new_tensor([0.30, 0.48, 0.55])[:, None]
    shine[skin] *= (0.45 + 0.9 * of_each(skin_code[0], owner)) * (1 + 0.25 * fine)

    eye = drawn.of(EYE)
    lidded = 1 - 0.60 * ramp(place[1, eye], 0.02, 0.45)
    albedo[:, eye] = eye_colour(place[:, eye], of_each(scene.iris.t(), image[eye]), widen) * lidded

    dressed = drawn.of(TORSO, COLLAR)
    bare = of_each(stage.albedo.mean(2), image[dressed]) * 0.95
    on_collar = torch.zeros_like(shine[dressed])
    on_collar[drawn.starts[COLLAR] - drawn.starts[TORSO] :] = 1.0
    albedo[:, dressed], cloth, tilt = paint_clothes(place[:, dressed], on_collar, scene.clothes, image[dressed], bare)
    normal[:, dressed] = unit(normal[:, dressed] + tilt)
    shine[dressed] = 0.25 * (1 - cloth)

    hat = drawn.of(HAT)
    if hat.stop > hat.start:
        albedo[:, hat], tilt = paint_hat(place[:, hat], scene.hats, image[hat])
        normal[:, hat] = unit(normal[:, hat] + tilt)
    for kind, colour, polish in ((FRAME, scene.glasses.frame, 1.6), (EARRING, scene.earrings.colour, 2.5)):
        rows = drawn.of(kind)
        albedo[:, rows] = of_each(colour.t(), image[rows])
        shine[rows] = polish


def strand_samples(
    scene: Scene,
    stage: Stage,
    solid_depth: Float[Tensor, "batch height width"],
    hair_width: float = HAIR_WIDTH,
    relief: float = 0.0,
) -> Strands:
    """The nearest hair at each sample that shows one before what is solid (depth 0: nothing is)."""
    size = solid_depth.shape[-1]
    camera = Camera()
    device, lock = stage.hairs.device, stage.hairs.shape[2] // GUIDES
    hairs, hairs_shown, which_hair = _grown(stage.hairs, stage.hairs_shown)
    whiskers, whiskers_shown, which_whisker = _grown(stage.whiskers, stage.whiskers_shown)
    hair_count, whisker_count = hairs.shape[2], whiskers.shape[2]
    pieces = [_segments(hairs, hairs_shown, solid_depth), _segments(whiskers, whiskers_shown, solid_depth)]
    starts, ends, grown = (torch.cat(parts, dim=-1) for parts in zip(*pieces, strict=True))
    scale = camera.focal / camera.distance
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

    flat = torch.cat([hairs.flatten(1), whiskers.flatten(1)], dim=1)
    of_hair = drawn.image * (hair_count * (HAIR_SEGMENTS + 1)) + strand * (HAIR_SEGMENTS + 1)
    of_face = drawn.image * (whisker_count * (WHISKER_SEGMENTS + 1)) + strand * (WHISKER_SEGMENTS + 1) + hairs[0].numel()
    at = torch.where(is_hair, of_hair, of_face) + step
    start, end = flat.index_select(1, at), flat.index_select(1, at + 1)
    point = start + (end - start) * drawn.along
    strand = torch.cat([which_hair, which_whisker]).index_select(0, strand + torch.where(is_hair, 0, hair_count))
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
    up = of_each(stage.rotation[:, :, 1].t(), image)
    back = of_each(stage.rotation[:, :, 2].t(), image)
    spoke = point - of_each(stage.origin, image) - 0.5 * back
    height = spoke[0] * up[0] + spoke[1] * up[1] + spoke[2] * up[2]
    return unit(spoke - up * height.clamp(max=4.5))


def _strand_colour(scene: Scene, image: Tensor, kind: Tensor, stage: Tensor) -> Float[Tensor, "3 pixels"]:
    hair = scene.hair
    colour = of_each(hair.colour.t(), image) * (1 + of_each((hair.tips - 1).t(), image) * ramp(stage, 0.15, 1.0))
    return torch.where(kind == 1, of_each(scene.whiskers.beard_colour.t(), image), colour)


def _grown(
    paths: Float[Tensor, "3 batch strands points"], shown: Bool[Tensor, "batch strands"]
) -> tuple[Float[Tensor, "3 batch some points"], Bool[Tensor, "batch some"], Int[Tensor, some]]:
    """The strands that need be looked at, and their numbers: of a single image only those that grow."""
    if len(shown) > 1:
        return paths, shown, torch.arange(shown.shape[1], device=shown.device)
    which = shown[0].nonzero().squeeze(1)
    return paths.index_select(2, which), shown.index_select(1, which), which


def _segments(
    paths: Float[Tensor, "3 batch strands points"], shown: Bool[Tensor, "batch strands"], solid_depth: Float[Tensor, "batch height width"]
) -> tuple[Float[Tensor, "3 batch segments"], Float[Tensor, "3 batch segments"], Bool[Tensor, "batch segments"]]:
    """Ends of segments on the screen (ndc x, ndc y, depth), and which are drawn: of those that grow, not the ones that lie well behind
    something solid, as most hair of the head's far side does."""
    camera = Camera()
    x, y, z = paths.unbind(0)
    depth = camera.distance - z
    x, y = camera.focal * (x - camera.centre_x) / depth, camera.focal * (y - camera.centre_y) / depth
    batch, size, _ = solid_depth.shape
    column, row = ((x + 1) * (size / 2)).clamp_(0, size - 1).long(), ((1 - y) * (size / 2)).clamp_(0, size - 1).long()
    image = torch.arange(batch, device=x.device).view(-1, 1, 1) * (size * size)
    solid = solid_depth.flatten().index_select(0, (image + row * size + column).flatten()).view(x.shape)
    seen = (solid <= 0) | (depth <= solid + 1.2)
    screen = torch.stack([x, y, depth])
    drawn = (seen[..., 1:] | seen[..., :-1]) & shown.unsqueeze(-1)
    return screen[..., :-1].flatten(2), screen[..., 1:].flatten(2), drawn.flatten(1)
