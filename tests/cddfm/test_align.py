import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from cddfm.align import CROP_PER_FACE, FEATHER, LARGEST_SIDE, Aligned, Box, align, crop, find_faces, paste
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


def test_the_sharp_crop_is_as_sharp_as_the_picture_within_bounds(astronaut: Image.Image) -> None:
    photo = to_tensor(astronaut)
    small = align(photo, nowhere, 64)
    assert small.sharp.shape[-1] == round(2 * small.box.half) > 64
    assert torch.equal(small.sharp, crop(astronaut, small.box, small.sharp.shape[-1]))
    assert torch.equal(align(photo, nowhere, 512).sharp, align(photo, nowhere, 512).image)
    large = astronaut.crop((130, 20, 330, 220)).resize((4000, 4000))
    assert align(to_tensor(large), nowhere, 64).sharp.shape[-1] == LARGEST_SIDE


def placed(picture: Image.Image, box: Box) -> Aligned:
    return Aligned(crop(picture, box, 32), crop(picture, box, 100), box, torch.zeros(3))


@pytest.mark.parametrize("box", [Box(220.3, 120.7, 81.2), Box(30.0, 20.0, 60.0), Box(256.0, 256.0, 300.0)])
def test_what_an_edit_changes_is_pasted_where_it_was_seen_and_nothing_else(astronaut: Image.Image, box: Box) -> None:
    """The middle as it was edited, less towards the edges, and the rest of the picture bit for bit."""
    aligned = placed(astronaut, box)
    before = to_tensor(astronaut)
    assert torch.equal(to_tensor(paste(astronaut, aligned, aligned.sharp)), before)
    after = to_tensor(paste(astronaut, aligned, aligned.sharp - 0.2))
    places = torch.arange(512) + 0.5
    away = torch.maximum((places[:, None] - box.y).abs(), (places - box.x).abs()) / box.half
    outside, inside = away >= 1, away < 1 - FEATHER
    assert torch.equal(after[:, :, outside], before[:, :, outside])
    torch.testing.assert_close(after[:, :, inside], (before[:, :, inside] - 0.2).clamp(-1, 1), atol=0.01, rtol=0)


def test_no_seam_shows_where_a_pasted_edit_ends() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    aligned = placed(grey, Box(100.0, 100.0, 60.0))
    pasted = to_tensor(paste(grey, aligned, aligned.sharp - 0.5))
    steps = [pasted.diff(dim=axis).abs().amax() for axis in (2, 3)]
    assert max(steps) < 1.5 * 0.5 / (60 * FEATHER) + 1 / 127.5
    assert pasted.amin() < -0.45


def test_a_pasted_edit_lies_where_the_crop_shows_it(astronaut: Image.Image) -> None:
    box = Box(220.0, 120.0, 80.0)
    aligned = placed(astronaut, box)
    edited = aligned.sharp.clone()
    edited[:, :, 40:60, 60:80] = 1.0
    changed = (to_tensor(paste(astronaut, aligned, edited)) != to_tensor(astronaut)).any(dim=1)[0].nonzero()
    low, high = changed.amin(dim=0).tolist(), changed.amax(dim=0).tolist()
    assert low == pytest.approx([40 + 1.6 * 40, 140 + 1.6 * 60], abs=4)
    assert high == pytest.approx([40 + 1.6 * 60, 140 + 1.6 * 80], abs=4)
