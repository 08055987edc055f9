"""Which square of a picture the camera is taken to have seen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.align import Box
from cddfm.camera import Camera
from cddfm.fitting.files import in_square
from cddfm.fitting.landmarks import first_pose
from cddfm.fitting.subject import Subject
from cddfm.morphable import MorphableModel

CROPS = ("auto", "face", "whole")
"""whole: the picture is the square. face: the square about the face, as everywhere else in cddfm. auto: the whole picture where that is
nearly the same, so that what the world drew is read with the camera that drew it."""

NEARLY_SHIFT, NEARLY_SCALE = 0.15, 1.15

ROUNDS = 3


def whole_picture(width: int, height: int) -> Box:
    return Box(width / 2, height / 2, max(width, height) / 2)


def nearly_whole(box: Box, width: int, height: int) -> bool:
    """Whether the picture is square and this square is about all of it."""
    whole = whole_picture(width, height)
    shift = max(abs(box.x - whole.x), abs(box.y - whole.y)) / whole.half
    scale = box.half / whole.half
    return width == height and shift < NEARLY_SHIFT and 1 / NEARLY_SCALE < scale < NEARLY_SCALE


def square_about(model: MorphableModel, landmarks: Float[Tensor, "68 2"]) -> Box:
    """The square in which a head with these landmarks (pixels of the picture) would have no translation."""
    known = landmarks.isfinite().all(dim=1)
    low, high = landmarks[known].amin(dim=0), landmarks[known].amax(dim=0)
    middle = ((low + high) / 2).tolist()
    box = Box(*middle, float((high - low).max()))
    camera = Camera()
    subject = Subject(model, camera)
    for _ in range(ROUNDS):
        seen = in_square(landmarks, box).nan_to_num(0.0).double()
        x, y, z = first_pose(subject, seen, known.double()).translation[0].tolist()
        nearness = camera.distance / (camera.distance - min(z, camera.distance / 2))
        pixels = box.half * nearness / camera.half_height
        box = Box(box.x + x * pixels, box.y - y * pixels, box.half * nearness)
    return box


def known_in(landmarks: Float[Tensor, "68 2"], width: int, height: int) -> bool:
    """Whether most of the landmarks lie in the picture."""
    inside = (landmarks > -1).all(dim=1) & (landmarks < torch.tensor([width, height])).all(dim=1)
    return bool(inside.sum() * 2 > landmarks.isfinite().all(dim=1).sum())
