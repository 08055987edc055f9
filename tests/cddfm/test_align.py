import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from cddfm.align import CROP_PER_FACE, Box, align, crop, find_faces
from cddfm.camera import Camera
from cddfm.errors import UserError
from cddfm.images import to_picture, to_tensor


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


def nowhere(image: Tensor) -> Tensor:
    return torch.zeros(len(image), 3)


def test_the_astronaut_has_a_face(astronaut: Image.Image) -> None:
    face = find_faces(astronaut)[0]
    assert abs(face.x - 222) < 12
    assert abs(face.y - 114) < 12
    assert 80 < face.width < 115


@pytest.mark.parametrize("degrees", [-18, 18])
def test_tilted_faces_are_found_where_they_are(astronaut: Image.Image, degrees: int) -> None:
    middle = (222, 114)
    tilted = astronaut.rotate(degrees, Image.Resampling.BICUBIC, center=middle).crop((60, 0, 400, 300))
    face = find_faces(tilted)[0]
    assert abs(face.x - (middle[0] - 60)) < 25
    assert abs(face.y - middle[1]) < 25


def test_pictures_without_faces_are_refused_by_name() -> None:
    noise = torch.rand(1, 3, 200, 200, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with pytest.raises(UserError, match=r"no face found in holiday\.png"):
        align(noise, nowhere, 64, name="holiday.png")


def test_a_face_that_is_not_there_is_refused(astronaut: Image.Image) -> None:
    with pytest.raises(UserError, match="face 9"):
        align(to_tensor(astronaut), nowhere, 64, face=9)


def test_refinement_follows_the_translation_to_zero(astronaut: Image.Image) -> None:
    """An estimator that knows where in the picture the aligned square lies must draw the crop there."""
    photo = to_tensor(astronaut)
    start = align(photo, nowhere, 64).box
    truth = Box(start.x + 9, start.y - 6, start.half * 1.08)
    looked_at: list[Box] = []

    def translation_of(image: Tensor) -> Tensor:
        camera, box = Camera(), boxes[-1]
        nearness = truth.half / box.half
        centimetres = camera.half_height / box.half
        z = camera.distance * (1 - 1 / nearness)
        return torch.tensor([[(truth.x - box.x) * centimetres / nearness, (box.y - truth.y) * centimetres / nearness, z]])

    boxes: list[Box] = []
    with pytest.MonkeyPatch.context() as patch:

        def watched(picture: Image.Image, box: Box, resolution: int) -> Tensor:
            boxes.append(box)
            looked_at.append(box)
            return crop(picture, box, resolution)

        patch.setattr("cddfm.align.crop", watched)
        aligned = align(photo, translation_of, 64)
    assert len(looked_at) > 2
    assert abs(aligned.box.x - truth.x) < 0.05
    assert abs(aligned.box.y - truth.y) < 0.05
    assert abs(aligned.box.half - truth.half) < 0.05
    assert aligned.residual.norm() < 0.01


def test_an_estimator_gone_wild_cannot_lose_the_face(astronaut: Image.Image) -> None:
    photo = to_tensor(astronaut)
    start = align(photo, nowhere, 32).box
    box = align(photo, lambda image: torch.full((1, 3), 60.0), 32).box
    assert max(abs(box.x - start.x), abs(box.y - start.y)) <= start.half / CROP_PER_FACE
    assert box.half < 1.5 * start.half


def test_crops_sample_the_square_they_name() -> None:
    ramp = torch.linspace(-1, 1, 80).expand(1, 3, 80, 80)
    inside = crop(to_picture(ramp), Box(40.0, 40.0, 20.0), 20)
    assert torch.allclose(inside[0, 0, 10], ramp[0, 0, 0].view(40, 2).mean(1)[10:30], atol=0.02)


def test_crops_beyond_the_edge_are_mirrored() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    over = crop(to_picture(ramp), Box(0.0, 32.0, 16.0), 32)
    assert torch.allclose(over[0, 0, 16, 3:15].flip(0), over[0, 0, 16, 17:29], atol=0.06)
    assert crop(to_picture(ramp), Box(-500.0, 900.0, 300.0), 16).shape == (1, 3, 16, 16)
