"""The photograph: skin with scattering and oil, wet eyes, glossy hair, cloth, spectacle lenses; linear RGB."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.camera import Camera
from cddfm.world.assets import EARRING, EYE, FRAME, HAIRS, HAT, MOUTH, REST, SKIN, TEETH, Assets
from cddfm.world.looks import glint, gloss, shade_planes, strand_light
from cddfm.world.scene import Scene
from cddfm.world.stage import Stage
from cddfm.world.surface import Solid, Strands
from cddfm.world.vectors import of_each, ramp, unit
from cuda_ops.rasterize import visible_faces


def solid_colour(scene: Scene, stage: Stage, solid: Solid) -> Float[Tensor, "3 pixels"]:
    """Light leaving every solid sample towards the camera."""
    image, skin = solid.image, solid.of(SKIN, REST)
    light = of_each(scene.params.light.t(), image)
    ambient = of_each(stage.ambient.t(), image)
    directional = (shade_planes(solid.normal, light) - ambient).clamp_(min=0.0)
    strength = of_each(stage.strength, image)
    key, sky = solid.key.clamp(min=1e-3), solid.sky
    received = ambient * sky + directional * _shadow(key, skin) * (0.35 + 0.65 * sky)
    level = (directional[1] / (0.5 * strength).clamp(min=0.05))[skin]
    bleed = 0.06 * of_each(stage.strength, image[skin]) * torch.exp(-(((level - 0.28) / 0.22) ** 2)) * key[skin].sqrt()
    received[:, skin] += key.new_tensor([1.0, 0.22, 0.08])[:, None] * bleed
    colour = solid.albedo * received.clamp_(min=0.012)
    colour[:, skin] *= 1 + 0.10 * (1 - sky[skin]) * key.new_tensor([1.0, -0.3, -0.6])[:, None]
    colour += _highlights(solid, of_each(stage.towards.t(), image), strength * key, ambient.mean(0) * sky)
    return _eyes(stage, solid, colour)


def _shadow(key: Float[Tensor, pixels], skin: slice) -> Float[Tensor, "3 pixels"]:
    """Red light wanders furthest inside skin: its shadows are softer and its terminator lies further round."""
    shadow = key.expand(3, -1).clone()
    shadow[0, skin], shadow[2, skin] = key[skin] ** (1 - 0.42), key[skin] ** (1 + 0.08)
    return shadow


def _highlights(solid: Solid, towards: Tensor, key: Tensor, ambient: Tensor) -> Float[Tensor, pixels]:
    """Oil on skin (a broad and a narrow lobe), sheen of cloth, polish of metal; a soft reflection of the sky."""
    normal, metal, teeth = solid.normal, solid.of(FRAME, EARRING), solid.of(TEETH)
    broad, narrow = gloss(normal, towards, 9.0), gloss(normal, towards, 42.0)
    above = ramp(normal[1] + 0.4 * normal[2], 0.1, 1.1) * ambient
    grazing = (1 - normal[2].clamp(0, 1)) ** 3
    light = solid.shine * (key * (0.045 * broad + 0.115 * narrow) + 0.030 * above) + 0.030 * grazing * ambient
    if metal.stop > metal.start:
        polish = gloss(normal[:, metal], towards[:, metal] if towards.shape[1] > 1 else towards, 30.0)
        light[metal] = solid.shine[metal] * (key[metal] * (0.10 * polish + 0.05 * broad[metal]) + 0.10 * above[metal])
    for matt in (HAIRS, EYE, MOUTH, HAT):
        light[solid.of(matt)] = 0.0
    light[teeth] += key[teeth] * 0.16 * narrow[teeth]
    return light


def _eyes(stage: Stage, solid: Solid, colour: Tensor) -> Tensor:
    """Wet eyeballs: a window mirrored in them, and faintly the ground."""
    rows = solid.of(EYE)
    spot = unit(solid.place[:, rows])
    low = 0.10 * ramp(spot[1], -0.12, -0.35) * ramp(spot[2], 0.86, 0.95)
    open_lid = 0.35 + 0.65 * solid.sky[rows]
    shaded = colour[:, rows] * (0.30 + 0.65 * solid.sky[rows])
    colour[:, rows] = shaded + (0.95 - shaded) * (0.9 * catch_light(stage, solid, rows) * open_lid) + 0.25 * low * open_lid
    return colour


def catch_light(stage: Stage, solid: Solid, rows: slice, widen: float = 1.0) -> Float[Tensor, eyes]:
    """How much of the light's reflection each of these samples of eyeballs shows."""
    return glint(unit(solid.normal[:, rows]), of_each(stage.towards.t(), solid.image[rows]), widen)


def strand_colour(scene: Scene, stage: Stage, strands: Strands) -> Float[Tensor, "3 pixels"]:
    """Light leaving every hair sample."""
    image = strands.image
    light = of_each(scene.params.light.t(), image)
    ambient = of_each(stage.ambient.t(), image)
    towards = of_each(stage.towards.t(), image)
    strength = of_each(stage.strength, image)
    directional = (shade_planes(strands.mass, light) - ambient).clamp(min=0.0)
    diffuse, white, coloured = strand_light(strands.tangent, strands.mass, towards, 0.10 * strands.tone + 0.05 * strands.lock)
    short = (strands.kind > 0).float()
    root = 0.50 + 0.50 * ramp(strands.stage, 0.0, 0.35 + 0.0 * strands.stage) * (1 - short) + 0.35 * short
    vary = (0.20 * strands.tone + 0.20 * strands.lock).exp()
    deep = 0.30 + 0.70 * strands.sky
    received = ambient * deep + directional * (0.25 + 0.75 * strands.key) * (0.45 + 0.75 * diffuse)
    colour = strands.colour * received * (vary * root) * 1.15
    shine = of_each(scene.hair.shine, image) * (1 - 0.6 * short)
    gleam = strength * strands.key * shine * (0.5 + 0.5 * root)
    tinted = strands.colour / strands.colour.amax(0).clamp(min=1e-3)
    return colour + gleam * (0.045 * white + (0.02 + 0.9 * strands.colour + 0.05 * tinted * strands.colour.sqrt()) * 0.42 * coloured)


def lens_layer(
    scene: Scene, kit: Assets, stage: Stage, size: int
) -> tuple[Int[Tensor, "3 pixels"], Float[Tensor, pixels], Float[Tensor, "3 pixels"], Float[Tensor, "3 pixels"]]:
    """Where lenses are seen (image, row, column), how deep they lie, what share of light they let through, and what they mirror."""
    wearing = (scene.glasses.worn > 0.5).nonzero().squeeze(1)
    screen = Camera().project(stage.lenses[wearing])
    face = visible_faces(screen, kit.lenses, size)
    local, row, column = (face >= 0).nonzero(as_tuple=True)
    image = wearing[local]
    seen = face[local, row, column]
    corner = kit.lenses[seen]
    half = screen.shape[1] // 2
    centre = torch.where(seen < len(kit.lenses) // 2, 0, half)
    middle = screen[local, centre]
    depth = screen[local.unsqueeze(1), corner][..., 2].mean(1)
    reach = (screen[local, centre + 1] - middle)[:, :2].square().sum(1).sqrt().clamp(min=1e-3)
    u = ((column + 0.5) * (2 / size) - 1 - middle[:, 0]) / reach
    v = (1 - (row + 0.5) * (2 / size) - middle[:, 1]) / reach
    towards = stage.towards[image]
    slant = u * 0.8 + v * 0.6 - 0.5 * towards[:, 0]
    streak = ramp((slant - 0.45).abs(), 0.28, 0.20) + 0.6 * ramp((slant - 0.02).abs(), 0.10, 0.05)
    window = 0.35 * ramp(v, -0.1, 0.9)
    mirrored = (0.030 * streak + 0.006 * window) * scene.glasses.shine[image] * stage.strength[image]
    tint = scene.glasses.tint[image].t()
    cool = mirrored.new_tensor([0.85, 0.95, 1.05])[:, None]
    return torch.stack([image, row, column]), depth, tint, cool * mirrored
