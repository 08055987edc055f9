"""Photo → aligned crop: find the face with scikit-image's cascade, then let the estimator move the crop until translation is 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from skimage import data
from skimage.exposure import equalize_adapthist
from skimage.feature import Cascade
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera
from cddfm.errors import UserError
from cddfm.images import to_picture, to_tensor

TranslationOf = Callable[[Float[Tensor, "batch 3 height width"]], Float[Tensor, "batch 3"]]
"""Picture → where its head lies, in centimetres from the aligned place (the estimator's translation)."""

WORKING_SIDES = (480, 960)
"""Longer side of the picture that the cascade searches, in pixels; the second finds faces that are small in the picture."""

LARGEST_SIDE = 2048
"""Pixels a side that a crop keeps of a picture."""

FEATHER = 0.16
"""Share of half a crop's side over which what is pasted fades."""

LARGEST_ZOOM = 4
"""A small picture is enlarged at most by this factor; the cascade finds faces in blurred noise beyond it."""

SUPPORT, DOUBTFUL_SUPPORT = 3, 4
"""Overlapping hits that make a face: in the picture as it is, and in versions that were changed to find more."""

SMALLEST_FACE = 36
"""Pixels in the working picture; below that the cascade finds faces everywhere."""

TURNS = (20.0, -20.0)
"""Degrees by which a picture is turned when no upright face is found."""

CROP_PER_FACE = 1.80
FACE_TO_CENTRE = -0.07
"""The cascade's box is 15 cm wide where the crop shows 27, and the crop's middle lies 0.07 boxes above the box's middle."""

ROUNDS = 3
LARGEST_SHIFT = 0.5
LARGEST_SCALE = 1.45
"""Refinement may move the crop by this part of the face box, and scale it by this factor; the cascade errs by less."""


@dataclass(frozen=True)
class Face:
    """What the cascade found: middle and width of its box, in pixels of the picture."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Box:
    """A square in a picture, in pixels (x right, y down; pixel k covers [k, k + 1]); it may reach beyond the picture."""

    x: float
    y: float
    half: float


@dataclass(frozen=True)
class Aligned:
    """The crop in [−1, 1], the same as sharp as the picture has it (up to `LARGEST_SIDE`), the square of the picture that both show, and
    the translation (cm) that the estimator still sees in it."""

    image: Float[Tensor, "1 3 side side"]
    sharp: Float[Tensor, "1 3 height height"]
    box: Box
    residual: Float[Tensor, 3]


def align(
    picture: Float[Tensor, "1 3 height width"], translation_of: TranslationOf, resolution: int, face: int = 1, name: str = "the picture"
) -> Aligned:
    """Crop the picture to the square that the camera of docs/conventions.md would show around the face.

    `face` counts from 1, the most prominent first. Raises UserError when there is no such face.
    """
    source = to_picture(picture)
    faces = find_faces(source)
    if not faces:
        raise UserError(
            f"no face found in {name}; give a picture with an upright face that looks roughly at the camera and fills a tenth of it or more"
        )
    if not 1 <= face <= len(faces):
        raise UserError(f"face {face} was asked for, but {len(faces)} found in {name}; choose 1 to {len(faces)}")
    start = _box_of(faces[face - 1])
    box, residual = _refine(source, start, translation_of, resolution)
    own = max(resolution, min(round(2 * box.half), LARGEST_SIDE))
    return Aligned(crop(source, box, resolution), crop(source, box, own), box, residual)


def as_aligned(image: Float[Tensor, "1 3 side side"]) -> Aligned:
    """A picture that is its own crop."""
    half = image.shape[-1] / 2
    return Aligned(image, image, Box(half, half, half), torch.zeros(3))


def _box_of(face: Face) -> Box:
    return Box(face.x, face.y + FACE_TO_CENTRE * face.width, face.width * CROP_PER_FACE / 2)


def _refine(source: Image.Image, start: Box, translation_of: TranslationOf, resolution: int) -> tuple[Box, Float[Tensor, 3]]:
    """Follow the predicted translation for a few rounds; keep the square in which it is smallest."""
    box, best, smallest = start, start, None
    for _ in range(ROUNDS + 1):
        translation = translation_of(crop(source, box, resolution))[0].detach().cpu()
        error = translation.norm()
        if smallest is None or error < smallest.norm():
            best, smallest = box, translation
        box = _limited(_moved(box, translation), start)
    return best, smallest


def _moved(box: Box, translation: Float[Tensor, 3]) -> Box:
    """The square in which a head that now appears at `translation` would appear at 0: shifted in the plane, scaled for depth."""
    camera = Camera()
    x, y, z = translation.tolist()
    nearness = camera.distance / (camera.distance - min(z, camera.distance / 2))
    pixels = box.half * nearness / camera.half_height
    return Box(box.x + x * pixels, box.y - y * pixels, box.half * nearness)


def _limited(box: Box, start: Box) -> Box:
    shift = LARGEST_SHIFT * start.half / CROP_PER_FACE
    half = float(np.clip(box.half, start.half / LARGEST_SCALE, start.half * LARGEST_SCALE))
    return Box(float(np.clip(box.x, start.x - shift, start.x + shift)), float(np.clip(box.y, start.y - shift, start.y + shift)), half)


def crop(picture: Image.Image, box: Box, resolution: int) -> Float[Tensor, "1 3 resolution resolution"]:
    """The square, resampled with antialiasing; beyond the picture's edges it is mirrored."""
    left, top, right, bottom = box.x - box.half, box.y - box.half, box.x + box.half, box.y + box.half
    width, height = picture.size
    pads = [max(0, int(np.ceil(over)) + 1) for over in (-left, -top, right - width, bottom - height)]
    if any(pad > 1 for pad in pads):
        pixels = np.pad(np.asarray(picture), ((pads[1], pads[3]), (pads[0], pads[2]), (0, 0)), mode="reflect")
        picture = Image.fromarray(pixels)
        left, right, top, bottom = left + pads[0], right + pads[0], top + pads[1], bottom + pads[1]
    area = (max(left, 0.0), max(top, 0.0), min(right, picture.width), min(bottom, picture.height))
    return to_tensor(picture.resize((resolution, resolution), Image.Resampling.BICUBIC, box=area))


def paste(picture: Image.Image, aligned: Aligned, edited: Float[Tensor, "1 3 height height"]) -> Image.Image:
    """The whole picture with what an edit has changed of its crop `aligned.sharp`; less and less of it towards the crop's edges, so that no
    seam shows. What the edit left alone stays as it is, bit for bit."""
    box = aligned.box
    left, top = max(0, math.floor(box.x - box.half)), max(0, math.floor(box.y - box.half))
    right, bottom = min(picture.width, math.ceil(box.x + box.half)), min(picture.height, math.ceil(box.y + box.half))
    across, down = (torch.arange(left, right) + 0.5 - box.x) / box.half, (torch.arange(top, bottom) + 0.5 - box.y) / box.half
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)[None]
    change = functional.grid_sample((edited - aligned.sharp).cpu(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    inside = ((1 - grid.abs().amax(dim=-1)) / FEATHER).clamp(0, 1)
    pasted = picture.convert("RGB")
    own = to_tensor(pasted.crop((left, top, right, bottom)))
    pasted.paste(to_picture(own + inside.unsqueeze(1) * change), (left, top))
    return pasted


def find_faces(picture: Image.Image) -> list[Face]:
    """Faces, the most prominent (large, near the middle) first. Tries harder, step by step, as long as none is found."""
    for faces in _attempts(picture):
        if faces:
            return sorted(faces, key=lambda face: -_prominence(face, picture))
    return []


def _attempts(picture: Image.Image) -> Iterator[list[Face]]:
    grey = picture.convert("L")
    working = [_resized(grey, side) for side in WORKING_SIDES]
    yield _confirmed(*working[0], SUPPORT)
    yield _confirmed(_equalised(working[0][0]), working[0][1], DOUBTFUL_SUPPORT)
    small, scale = working[0]
    for degrees in TURNS:
        turned = small.rotate(degrees, Image.Resampling.BILINEAR, expand=True)
        yield [_turn_back(face, degrees, turned.size, small.size, scale) for face in _confirmed(turned, 1.0, DOUBTFUL_SUPPORT)]
    if working[1][0].size != small.size:
        yield _confirmed(_equalised(working[1][0]), working[1][1], DOUBTFUL_SUPPORT)


def _equalised(grey: Image.Image) -> Image.Image:
    return Image.fromarray((equalize_adapthist(np.asarray(grey), clip_limit=0.01) * 255).astype(np.uint8))


def _resized(grey: Image.Image, longer: int) -> tuple[Image.Image, float]:
    """The picture at a working size, and how many of its own pixels one working pixel is."""
    scale = max(max(grey.size) / longer, 1 / LARGEST_ZOOM)
    size = tuple(max(1, round(side / scale)) for side in grey.size)
    return grey.resize(size, Image.Resampling.BICUBIC), scale


@cache
def _cascade() -> Cascade:
    return Cascade(data.lbp_frontal_face_cascade_filename())


def _detect(grey: Image.Image, scale: float, support: int) -> list[Face]:
    pixels: UInt8[np.ndarray, "height width"] = np.ascontiguousarray(grey)
    smallest, largest = SMALLEST_FACE, min(grey.size)
    if largest < smallest:
        return []
    found = _cascade().detect_multi_scale(
        img=pixels,
        scale_factor=1.15,
        step_ratio=1,
        min_size=(smallest, smallest),
        max_size=(largest, largest),
        min_neighbor_number=support,
    )
    return [
        Face((hit["c"] + hit["width"] / 2) * scale, (hit["r"] + hit["height"] / 2) * scale, float(hit["width"]) * scale) for hit in found
    ]


def _confirmed(grey: Image.Image, scale: float, support: int) -> list[Face]:
    """Faces that are found in the mirrored picture too: the harder we look, the more the cascade imagines."""
    mirrored = _detect(grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT), scale, support)
    width = grey.width * scale
    return [
        face for face in _detect(grey, scale, support) if _near(face, [Face(width - other.x, other.y, other.width) for other in mirrored])
    ]


def _near(face: Face, others: Sequence[Face]) -> bool:
    reach = 0.35 * face.width
    return any(max(abs(face.x - other.x), abs(face.y - other.y), abs(face.width - other.width)) < reach for other in others)


def _turn_back(face: Face, degrees: float, turned: tuple[int, int], size: tuple[int, int], scale: float) -> Face:
    """From the picture that was turned counter-clockwise by `degrees` to the picture itself, about the middles of both."""
    angle = torch.deg2rad(torch.tensor(degrees)).item()
    x, y = face.x - turned[0] / 2, face.y - turned[1] / 2
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return Face((cos * x - sin * y + size[0] / 2) * scale, (sin * x + cos * y + size[1] / 2) * scale, face.width * scale)


def _prominence(face: Face, picture: Image.Image) -> float:
    """Width, less up to half of it for distance from the middle."""
    width, height = picture.size
    distance = float(np.hypot(face.x / width - 0.5, face.y / height - 0.5))
    return face.width * (1.0 - min(distance, 0.5))
