"""Scene → portrait: the stage sampled, coloured in a style, averaged down and laid over the background."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.camera import Camera
from cddfm.lighting import to_srgb
from cddfm.styles import STYLES
from cddfm.world import clay, painting, portrait, sketch, toon
from cddfm.world.assets import SKIN, Assets, assets
from cddfm.world.backdrop import backdrop
from cddfm.world.canvas import empty_depth, lay_out, lock_normal, put, shrink
from cddfm.world.scene import Scene
from cddfm.world.stage import Stage, set_stage
from cddfm.world.surface import solid_samples, strand_samples

CHUNK_SAMPLES = 128 * 256 * 256
"""Samples drawn at once on a GPU; bounds the memory, not the result."""

CHUNK_IMAGES = 32
"""Images whose geometry is made at once on the CPU, where they are then painted one by one."""


@dataclass(frozen=True)
class Portraits:
    """image: sRGB in [−1, 1]. mask: share of each pixel that shows face skin. landmarks: ndc, y up."""

    image: Float[Tensor, "batch 3 height width"]
    mask: Float[Tensor, "batch 1 height width"]
    landmarks: Float[Tensor, "batch 68 2"]


@torch.no_grad()
def draw(scene: Scene, resolution: int, style: str = "portrait", supersample: int = 2) -> Portraits:
    """Draw every portrait of the scene in one of `STYLES`; deterministic, in chunks, on the CPU one for each of torch's threads at a time.

    The same on every machine up to the rounding of transcendental functions (and, on GPUs, of sums in normals): one step of 255 here and
    there."""
    if style not in STYLES:
        raise ValueError(f"there is no style {style!r}; choose one of {', '.join(STYLES)}")
    on_cpu = scene.iris.device.type == "cpu"
    size = CHUNK_IMAGES if on_cpu else max(1, CHUNK_SAMPLES // (resolution * supersample) ** 2)
    threads = torch.get_num_threads() if on_cpu else 1
    size = min(size, max(1, -(-len(scene) // threads)))
    chunks = [scene[start : start + size] for start in range(0, len(scene), size)]

    def one(chunk: Scene) -> Portraits:
        with torch.no_grad():
            return _draw(chunk, resolution, style, supersample)

    # Most tensors are small: threads that share one chunk wait for each other, threads that draw their own do not.
    if min(threads, len(chunks)) > 1:
        assets("cpu")
        with ThreadPoolExecutor(min(threads, len(chunks)), initializer=partial(torch.set_num_threads, 1)) as pool:
            parts = list(pool.map(one, chunks))
    else:
        parts = [one(chunk) for chunk in chunks]
    return Portraits(*(torch.cat([getattr(part, name) for part in parts]) for name in ("image", "mask", "landmarks")))


def _draw(scene: Scene, resolution: int, style: str, supersample: int) -> Portraits:
    kit = assets(str(scene.iris.device))
    size = resolution * supersample
    warp = partial(toon.warp, model=kit.model) if style == "toon" else None
    stage = set_stage(scene, kit, warp, guides_only=style in ("toon", "clay"))
    landmarks = Camera().project(stage.solid[:, kit.model.landmarks])[..., :2]
    paint = _PAINTERS[style]
    behind = _BACKDROPS[style](scene, size if style == "sketch" else resolution)
    if scene.iris.device.type != "cpu" or len(scene) == 1:
        image, skin = paint(scene, kit, stage, behind, size)
    else:  # one by one: their samples stay in the cache, and what belongs to an image needs not be repeated for each
        parts = [paint(scene[i : i + 1], kit, stage.one(i), behind[i : i + 1], size) for i in range(len(scene))]
        image, skin = (torch.cat(planes) for planes in zip(*parts, strict=True))
    if image.shape[-1] > resolution:
        image, skin = shrink(image, size // resolution), shrink(skin, size // resolution)
    return Portraits((2 * image - 1).clamp(-1, 1), skin.clamp(0, 1), landmarks)


def _photograph(scene: Scene, kit: Assets, stage: Stage, behind: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """sRGB in [0, 1], and the share of face skin. behind: the background, linear."""
    batch = len(scene)
    solid = solid_samples(scene, kit, stage, size)
    depth = empty_depth(solid, batch, size)
    strands = strand_samples(scene, stage, depth)
    planes = torch.zeros(5, batch * size * size, device=depth.device)
    depth = depth.flatten()
    spot = (solid.image * size + solid.row) * size + solid.column
    one, skin = torch.ones_like(solid.depth), torch.zeros_like(solid.depth)
    skin[solid.of(SKIN)] = 1.0
    put(planes, spot, torch.cat([portrait.solid_colour(scene, stage, solid), one[None], skin[None]]))
    spot = (strands.image * size + strands.row) * size + strands.column
    one, skin = torch.ones_like(strands.depth), planes[4].index_select(0, spot) * (strands.kind > 0)
    put(planes, spot, torch.cat([portrait.strand_colour(scene, stage, strands), one[None], skin[None]]))
    depth.scatter_(0, spot, strands.depth)
    if bool((scene.glasses.worn > 0.5).any()):
        where, away, through, mirrored = portrait.lens_layer(scene, kit, stage, size)
        spot = (where[0] * size + where[1]) * size + where[2]
        front = ((depth[spot] == 0) | (away < depth[spot] + 0.1)).nonzero().squeeze(1)
        spot = spot[front]
        planes[:3, spot] = planes[:3, spot] * through[:, front] + mirrored[:, front]
    layers = shrink(planes.view(5, batch, size, size).transpose(0, 1), size // behind.shape[-1])
    return _srgb(_expose(layers[:, :3] + (1 - layers[:, 3:4]) * behind)), layers[:, 4:5]


def _expose(linear: Tensor) -> Tensor:
    """A camera's curve: shadows and middle tones lifted, white kept, highlights rolled off."""
    return linear * 1.35 / (1 + 0.35 * linear.clamp(min=0))


def _paint(scene: Scene, kit: Assets, stage: Stage, behind: Tensor, size: int) -> tuple[Tensor, Tensor]:
    image, skin = _photograph(scene, kit, stage, behind, size)
    return painting.paint(image, skin), skin


def _clay(scene: Scene, kit: Assets, stage: Stage, behind: Tensor, size: int) -> tuple[Tensor, Tensor]:
    solid = solid_samples(scene, kit, stage, size)
    strands = strand_samples(scene, stage, empty_depth(solid, len(scene), size), clay.LOCK_WIDTH, clay.LOCK_RELIEF)
    normal = lock_normal(strands)
    colour = clay.lit(scene, stage, strands.image, normal, strands.key, strands.sky) * (0.72 + 0.28 * (1 - strands.across**2))
    canvas = lay_out(solid, clay.solid_clay(scene, stage, solid), strands, colour, normal, len(scene), size)
    return _flatten(canvas.colour, canvas.cover, canvas.skin, behind)


def _toon(scene: Scene, kit: Assets, stage: Stage, behind: Tensor, size: int) -> tuple[Tensor, Tensor]:
    solid = solid_samples(scene, kit, stage, size, toon.IRIS_WIDEN)
    strands = strand_samples(scene, stage, empty_depth(solid, len(scene), size), toon.LOCK_WIDTH, toon.LOCK_RELIEF)
    normal = lock_normal(strands)
    tones = toon.strand_tones(scene, stage, strands, normal)
    canvas = lay_out(solid, toon.solid_tones(scene, stage, solid), strands, tones, normal, len(scene), size)
    colour, cover = toon.ink(canvas, size // behind.shape[-1])
    return _flatten(colour, cover, canvas.skin, behind)


def _sketch(scene: Scene, kit: Assets, stage: Stage, behind: Tensor, size: int) -> tuple[Tensor, Tensor]:
    solid = solid_samples(scene, kit, stage, size)
    strands = strand_samples(scene, stage, empty_depth(solid, len(scene), size))
    colours = portrait.solid_colour(scene, stage, solid), portrait.strand_colour(scene, stage, strands)
    canvas = lay_out(solid, colours[0], strands, colours[1], strands.mass, len(scene), size)
    drawn = sketch.sketch(canvas, behind, scene.backdrop)
    return drawn, canvas.skin


def _flatten(colour: Tensor, cover: Tensor, skin: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
    """Premultiplied samples averaged down over a background."""
    layers = shrink(torch.cat([colour, cover, skin], dim=1), colour.shape[-1] // behind.shape[-1])
    return _srgb(layers[:, :3] + (1 - layers[:, 3:4]) * behind), layers[:, 4:5]


def _scenery(scene: Scene, resolution: int) -> Tensor:
    return backdrop(scene.backdrop_kind, scene.backdrop, resolution)


def _srgb(linear: Tensor) -> Tensor:
    return (to_srgb(linear) + 1) / 2


_PAINTERS: dict[str, Callable[[Scene, Assets, Stage, Tensor, int], tuple[Tensor, Tensor]]] = {
    "portrait": _photograph,
    "toon": _toon,
    "clay": _clay,
    "painting": _paint,
    "sketch": _sketch,
}


_BACKDROPS: dict[str, Callable[[Scene, int], Tensor]] = {
    "portrait": _scenery,
    "toon": toon.plain_backdrop,
    "clay": clay.clay_backdrop,
    "painting": _scenery,
    "sketch": _scenery,
}
