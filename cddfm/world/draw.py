"""Scene → portrait: geometry placed, seen through the z-buffer, coloured, hair laid over, averaged down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera, place, rotation
from cddfm.lighting import LUMINANCE, direction, dominant, harmonics, shade, to_srgb
from cddfm.params import SH_CONSTANT
from cddfm.world import toon
from cddfm.world.assets import BUN_COLUMNS, BUN_ROWS, EYE, GLASSES, SKIN, TORSO, Assets, assets
from cddfm.world.backdrop import backdrop
from cddfm.world.body import clothes, glasses_points
from cddfm.world.hair import COLUMNS, ROWS, Sheet, build_sheet, hairline, polar
from cddfm.world.looks import eye_colour, glint, gloss, ramp, strand_colour, strand_gloss, unit
from cddfm.world.scene import Scene
from cuda_ops.rasterize import Fragments, interpolate, rasterize, vertex_normals

STYLES = ("portrait", "toon")

CHUNK_PIXELS = {"cpu": 16 * 128 * 128, "cuda": 256 * 128 * 128}
"""Supersampled pixels drawn at once, by kind of device; bounds the memory, not the result."""


@dataclass(frozen=True)
class Portraits:
    """image: sRGB in [−1, 1]. mask: share of each pixel that shows face skin. landmarks: ndc, y up."""

    image: Float[Tensor, "batch 3 height width"]
    mask: Float[Tensor, "batch 1 height width"]
    landmarks: Float[Tensor, "batch 68 2"]


@dataclass(frozen=True)
class Placed:
    """Geometry in the world's frame, with the colours of vertices."""

    solid: Float[Tensor, "batch vertices 3"]
    albedo: Float[Tensor, "batch head 3"]
    occlusion: Float[Tensor, "batch head"]
    spots: Float[Tensor, "batch head 3"]
    hair: Float[Tensor, "batch hair 3"]
    sheet: Sheet


@dataclass(frozen=True)
class Layer:
    """Linear RGB, coverage, distance from the camera (0 where empty) and which part is seen, per supersampled pixel."""

    colour: Float[Tensor, "batch height width 3"]
    cover: Float[Tensor, "batch height width"]
    depth: Float[Tensor, "batch height width"]


@torch.no_grad()
def draw(scene: Scene, resolution: int, style: str = "portrait", supersample: int = 2) -> Portraits:
    """Draw every portrait of the scene in one of `STYLES`; deterministic, in chunks."""
    if style not in STYLES:
        raise ValueError(f"there is no style {style!r}; choose one of {', '.join(STYLES)}")
    pixels = CHUNK_PIXELS.get(scene.gaze.device.type, CHUNK_PIXELS["cpu"])
    size = max(1, pixels // (resolution * supersample) ** 2)
    parts = [_draw(scene[start : start + size], resolution, style, supersample) for start in range(0, len(scene), size)]
    return Portraits(*(torch.cat([getattr(part, name) for part in parts]) for name in ("image", "mask", "landmarks")))


def _draw(scene: Scene, resolution: int, style: str, supersample: int) -> Portraits:
    kit = assets(str(scene.gaze.device))
    stylised = style == "toon"
    placed = _place(scene, kit, stylised)
    size = resolution * supersample
    camera = Camera()
    fragments = rasterize(camera.project(placed.solid), kit.triangles, size, cull=True)
    part = torch.where(fragments.face >= 0, kit.part[fragments.face.clamp(min=0)], -1)
    solid, normals = _solid(scene, kit, placed, fragments, part, stylised)
    hair = _hair(scene, kit, placed, solid, size, stylised)
    colour = solid.colour + (hair.colour - solid.colour) * hair.cover.unsqueeze(-1)
    cover = torch.maximum(solid.cover, hair.cover)
    colour = torch.where((solid.cover > 0).unsqueeze(-1), colour, hair.colour) * cover.unsqueeze(-1)
    if stylised:
        colour, cover = toon.outline(colour, cover, solid.depth, part, hair.cover, hair.depth, normals)
    skin = (part == SKIN).float() * (1 - hair.cover)
    stack = torch.cat([colour.permute(0, 3, 1, 2), cover.unsqueeze(1), skin.unsqueeze(1)], dim=1)
    stack = functional.avg_pool2d(stack, supersample)
    behind = toon.plain_backdrop(scene, resolution) if stylised else backdrop(scene.backdrop_kind, scene.backdrop, resolution)
    image = to_srgb(stack[:, :3] + (1 - stack[:, 3:4]) * behind)
    landmarks = camera.project(placed.solid[:, kit.model.landmarks])[..., :2]
    return Portraits(image, stack[:, 4:5].clamp(0, 1), landmarks)


def _place(scene: Scene, kit: Assets, stylised: bool) -> Placed:
    """Every vertex in the world's frame."""
    params, model = scene.params, kit.model
    head = model.vertices(params.identity, params.expression)
    albedo = model.reflectance(params.albedo)
    spots, centres = _eyes(scene, kit, head)
    sheet = build_sheet(scene.hair, kit.scalp, head)
    bun = _bun(scene, kit, head)
    spectacles = glasses_points(scene.glasses, centres, head[:, kit.ears], head[:, model.landmarks[28]])
    albedo, occlusion = _shadows(scene, kit, head, albedo)
    strands = torch.cat([sheet.points, bun], dim=1)
    if stylised:
        head, strands, spectacles = toon.warp(head, model), toon.warp(strands, model), toon.warp(spectacles, model)

    def posed(points: Tensor) -> Tensor:
        return place(points, params.pose, params.translation, model.pivot)

    half = params.pose * params.pose.new_tensor([0.1, 0.35, 0.25])
    with_shoulders = place(head, half, params.translation, model.pivot)
    stiff = kit.stiff[None, :, None]
    moved = with_shoulders + (posed(head) - with_shoulders) * stiff
    torso = place(kit.torso.expand(len(scene), -1, -1), half, params.translation, model.pivot)
    return Placed(torch.cat([moved, torso, posed(spectacles)], dim=1), albedo, occlusion, spots, posed(strands), sheet)


def _eyes(scene: Scene, kit: Assets, head: Tensor) -> tuple[Tensor, Tensor]:
    """Directions on each eyeball with the pupil along +z (zero elsewhere), and the eyeballs' centres [batch, 2, 3]."""
    spots = torch.zeros_like(head)
    zero = torch.zeros_like(scene.gaze[:, 0])
    turned = rotation(torch.stack([scene.gaze[:, 1], scene.gaze[:, 0], zero], dim=1))
    centres = []
    for index, offset in zip(kit.eye_vertices, kit.eye_offsets, strict=True):
        points = head[:, index]
        centre = points.mean(1) + offset
        centres.append(centre)
        spots[:, index] = unit(points - centre[:, None]) @ turned
    return spots, torch.stack(centres, dim=1)


def _bun(scene: Scene, kit: Assets, head: Tensor) -> Float[Tensor, "batch bun 3"]:
    """A knot of hair behind the crown; of no size where the style has none."""
    device = head.device
    radius = scene.hair.field("bun")[:, None, None]
    top = head[:, :, 1].amax(1)
    centre = torch.stack([torch.zeros_like(top), top + 0.2, torch.full_like(top, -9.0)], dim=1)[:, None]
    down = torch.linspace(0, math.pi, BUN_ROWS, device=device)[:, None].expand(-1, BUN_COLUMNS + 1)
    around = torch.linspace(-math.pi, math.pi, BUN_COLUMNS + 1, device=device)[None, :].expand(BUN_ROWS, -1)
    return centre + radius * polar(down, around).flatten(0, 1) * head.new_tensor([1.0, 0.85, 1.0])


def _shadows(scene: Scene, kit: Assets, head: Tensor, albedo: Tensor) -> tuple[Tensor, Tensor]:
    """Scalp in the hair's colour under hair, brows drawn towards it, and the hair's shadow along the hairline."""
    hair = scene.hair
    margin = kit.reach[None] - hairline(kit.azimuth[None], hair)
    present = hair.field("density")[:, None] * ramp(kit.reach[None] - hair.field("bare")[:, None], 0.0, 0.1)
    covered = kit.hairy * (1 - ramp(margin, -0.04, 0.045)) * present
    tint = hair.colour[:, None] * 0.7 + 0.06 * albedo
    albedo = albedo + (tint - albedo) * (0.9 * covered).unsqueeze(-1)
    brow = (kit.brows.float() * 0.35)[None, :, None]
    albedo = albedo + (albedo * (0.35 + 0.9 * hair.colour[:, None]) - albedo) * brow
    albedo = albedo * (1 - kit.lashes[None, :, None])
    volume = hair.field("top")[:, None].clamp(max=2.0) / 2.0
    shadow = (0.15 + 0.3 * volume) * (1 - ramp(margin, 0.0, 0.16)) * present
    hanging = (hair.field("hang_side")[:, None] / 8).clamp(0, 1)
    side = kit.azimuth.abs()[None]
    cheek = 0.4 * hanging * ramp(side, 0.75, 1.15) * ramp(kit.reach[None], 0.9, 1.2)
    return albedo, kit.occlusion * (1 - shadow * kit.hairy) * (1 - cheek)


def _solid(
    scene: Scene, kit: Assets, placed: Placed, fragments: Fragments, part: Tensor, stylised: bool
) -> tuple[Layer, Float[Tensor, "batch height width 3"]]:
    """Colour of head, torso and spectacles, and the normals seen."""
    count, batch = placed.solid.shape[1] - placed.albedo.shape[1], len(scene)
    normals = vertex_normals(placed.solid, kit.triangles)
    dressed = torch.zeros(batch, count, 3, device=normals.device)
    dressed[:, : len(kit.torso)] = kit.torso
    ones = torch.ones(batch, count, device=normals.device)
    albedo = torch.cat([placed.albedo, ones.unsqueeze(-1).expand(-1, -1, 3) * 0.02], dim=1)
    attributes = torch.cat(
        [
            albedo,
            normals,
            torch.cat([placed.spots, dressed], dim=1),
            torch.cat([placed.occlusion, ones], dim=1).unsqueeze(-1),
        ],
        dim=-1,
    )
    seen = interpolate(attributes, kit.triangles, fragments)
    albedo, normal, spot, open_sky = seen[..., :3], seen[..., 3:6], seen[..., 6:9], seen[..., 9:]
    normal = unit(normal)
    albedo = _paint(scene, placed, albedo, spot, part, stylised)
    light = scene.params.light
    shading = shade(normal, light).clamp(min=0.02) * open_sky
    towards, strength = _key(scene)
    facing = towards[:, None, None].expand_as(normal)
    if stylised:
        colour = toon.tones(albedo, shading, part)
    else:
        shiny = kit.gloss[part.clamp(min=0)].unsqueeze(-1)
        colour = albedo * shading + shiny * (gloss(normal, facing, 14.0) * strength[:, None, None]).unsqueeze(-1) * open_sky
    rows = (part == EYE).nonzero(as_tuple=True)
    bright = glint(unit(spot[rows]), _in_head(scene, towards)[rows[0]])
    colour[rows] = colour[rows] + (0.95 - colour[rows]) * (0.9 * bright).unsqueeze(1)
    return Layer(colour, (part >= 0).float(), fragments.depth), normal


def _paint(scene: Scene, placed: Placed, albedo: Tensor, spot: Tensor, part: Tensor, stylised: bool) -> Tensor:
    """Reflectance of the parts that are coloured by place instead of by vertex: eyes, clothes, spectacles."""
    rows = (part == EYE).nonzero(as_tuple=True)
    albedo[rows] = eye_colour(spot[rows], scene.iris[rows[0]], 1.25 if stylised else 1.0) * (
        1 - 0.45 * ramp(spot[rows][:, 1], 0.0, 0.45)
    ).unsqueeze(1)
    rows = (part == TORSO).nonzero(as_tuple=True)
    skin = placed.albedo.mean(1) * 0.8
    which = rows[0]
    albedo[rows] = clothes(
        spot[rows], scene.clothing_kind[which], scene.clothing_colours[which], scene.clothing_shape[which], skin[which]
    )
    rows = (part == GLASSES).nonzero(as_tuple=True)
    tone = scene.glasses[rows[0], 3:4]
    albedo[rows] = 0.008 + 0.10 * tone**3 * tone.new_tensor([1.0, 0.55, 0.3])
    return albedo


def _key(scene: Scene) -> tuple[Float[Tensor, "batch 3"], Float[Tensor, batch]]:
    """Direction of the dominant light and how strong it is."""
    light = scene.params.light
    towards = direction(*dominant(light))
    linear = light.unflatten(1, (9, 3))[:, 1:4] @ light.new_tensor(LUMINANCE)
    return towards, linear.norm(dim=1)


def _in_head(scene: Scene, towards: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3"]:
    """A world direction in the frame of the turned eyes."""
    zero = torch.zeros_like(scene.gaze[:, 0])
    gaze = rotation(torch.stack([scene.gaze[:, 1], scene.gaze[:, 0], zero], dim=1))
    return ((towards.unsqueeze(1) @ rotation(scene.params.pose)) @ gaze).squeeze(1)


def _hair(scene: Scene, kit: Assets, placed: Placed, solid: Layer, size: int, stylised: bool) -> Layer:
    """The hair's nearest layer where it stands before the solid one."""
    fragments = rasterize(Camera().project(placed.hair), kit.hair_triangles, size)
    rows = ((fragments.face >= 0) & ((fragments.depth < solid.depth + 0.1) | (solid.cover == 0))).nonzero(as_tuple=True)
    attributes = _hair_attributes(kit, placed)
    seen = _interpolate_rows(attributes, kit.hair_triangles, fragments, rows)
    azimuth, length, left, opacity, normal, tangent = seen.split([1, 1, 1, 1, 3, 3], dim=-1)
    azimuth, length, left, opacity = (value.squeeze(-1) for value in (azimuth, length, left, opacity))
    which = rows[0]
    hair = scene.hair
    normal = unit(normal)
    inner = normal[:, 2] < -0.02
    normal = torch.where(inner[:, None], -normal, normal)
    phase, curl = hair.phase[which], hair.field("curl")[which]
    streaks = strand_colour(azimuth, length, phase, curl)
    towards, strength = _key(scene)
    light = _shade_rows(normal, scene.params.light, which)
    sheen = strand_gloss(tangent, normal, towards[which]) * (strength * hair.shine)[which] * streaks
    groove = torch.exp(-(((azimuth - hair.parting[which]) / 0.035) ** 2)) * hair.field("parting")[which] * ramp(length, 0.6, 2.5)
    depth = (0.72 + 0.28 * ramp(length, 0.0, 5.0)) * torch.where(inner, 0.3, 1.0) * (1 - 0.55 * groove)
    base = hair.colour[which]
    if stylised:
        colour = toon.hair_tones(base, light, sheen, streaks) * torch.where(inner, 0.6, 1.0).unsqueeze(1)
    else:
        colour = base * (light * (streaks * depth).unsqueeze(1)) + (sheen * depth).unsqueeze(1) * (0.03 + 0.35 * base)
    tips = 0.5 + 0.25 * torch.sin(37 * azimuth + phase[:, 7]) + 0.25 * torch.sin(83 * azimuth + phase[:, 6])
    ragged = 0.25 + 0.05 * (length + left) * ramp(length + left, 8.0, 16.0)
    ends = ramp(left - tips * ragged, 0.0, 0.35)
    knot = (length < 0).float()
    cover = torch.maximum(ends, knot) * ramp(opacity, 0.05, 0.8)
    full = torch.zeros(*fragments.face.shape, 3, device=colour.device)
    full[rows] = colour
    covers = torch.zeros(fragments.face.shape, device=colour.device)
    covers[rows] = (cover > 0.5).float() if stylised else cover
    return Layer(full, covers, torch.where(covers > 0, fragments.depth, 0.0))


def _hair_attributes(kit: Assets, placed: Placed) -> Float[Tensor, "batch hair 10"]:
    """Azimuth, length (−1 on a bun), cm to the tip, opacity, normal, tangent of hair vertices; the seam at the back made smooth."""
    sheet, points = placed.sheet, placed.hair
    batch, grid = sheet.azimuth.shape
    normals = vertex_normals(points, kit.hair_triangles)
    woven = normals[:, :grid].unflatten(1, (ROWS, COLUMNS + 1))
    seam = unit(woven[:, :, :1] + woven[:, :, -1:])
    woven = torch.cat([seam, woven[:, :, 1:-1], seam], dim=2).flatten(1, 2)
    rows = points[:, :grid].unflatten(1, (ROWS, COLUMNS + 1))
    flow = torch.cat([rows[:, 1:] - rows[:, :-1], rows[:, -1:] - rows[:, -2:-1]], dim=1).flatten(1, 2)
    plain = torch.stack([sheet.azimuth, sheet.length, sheet.left, sheet.opacity], dim=-1)
    sheet_part = torch.cat([plain, woven, flow], dim=-1)
    rest = points.shape[1] - grid
    knot = torch.tensor([0.0, -1.0, 9.0, 1.0], device=points.device).expand(batch, rest, 4).clone()
    around = torch.linspace(-math.pi, math.pi, BUN_COLUMNS + 1, device=points.device).repeat(BUN_ROWS)
    knot[..., 0] = around * 0.5
    across = torch.linalg.cross(normals[:, grid:], points.new_tensor([0.3, 1.0, 0.2]).expand(batch, rest, 3))
    return torch.cat([sheet_part, torch.cat([knot, normals[:, grid:], across], dim=-1)], dim=1)


def _interpolate_rows(attributes: Tensor, triangles: Tensor, fragments: Fragments, rows: tuple[Tensor, ...]) -> Float[Tensor, "pixels n"]:
    """`interpolate` at chosen pixels only."""
    corner = triangles[fragments.face[rows]] + rows[0][:, None] * attributes.shape[1]
    values = attributes.flatten(0, 1)[corner.flatten()].unflatten(0, corner.shape)
    return (values * fragments.barycentric[rows].unsqueeze(-1)).sum(1)


def _shade_rows(normal: Tensor, light: Tensor, which: Tensor) -> Float[Tensor, "pixels 3"]:
    """Shading at pixels of mixed images, softened as through many strands."""
    bands = light.unflatten(1, (9, 3))
    values = harmonics(normal)
    out = torch.stack([(values * bands[:, :, channel][which]).sum(1) for channel in range(3)], dim=1)
    return 0.25 * bands[:, 0][which] * SH_CONSTANT + 0.75 * out.clamp(min=0.02)
