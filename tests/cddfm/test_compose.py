from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from cddfm.compose import Photograph, compose
from cddfm.evaluation.likeness import psnr
from cddfm.head import build_head
from cddfm.lighting import light_from
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.render import render
from cddfm.smooth import smooth

SIDE = 64


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return build_head().model


def face(model: MorphableModel, yaw: float = 0.0, azimuth: float = 0.5, **expression: float) -> FaceParams:
    light = light_from(torch.tensor([azimuth]), torch.tensor([0.3]), torch.tensor([0.6]), torch.tensor([0.4]), torch.ones(1, 3))
    params = FaceParams.neutral(model.layout, 1).replace(light=light, pose=torch.tensor([[0.0, yaw, 0.0]]).deg2rad())
    return params.replace(expression=model.expression(expression)[None])


def true_picture(model: MorphableModel, params: FaceParams, side: int = SIDE) -> torch.Tensor:
    """The face, freckled, before a wall with a pattern: details that no generator has learned."""
    model = freckled(model)
    drawn = render(model, params, side, supersample=2)
    axis = torch.arange(side) / side
    wall = 0.5 * torch.sin(60 * axis[:, None] + 20 * axis).expand(1, 3, -1, -1)
    return drawn.image * drawn.mask + wall * (1 - drawn.mask)


def freckled(model: MorphableModel) -> MorphableModel:
    spots = 0.25 * torch.sin(6 * model.mean[:, :1]) * torch.sin(6 * model.mean[:, 1:2])
    return replace(model, albedo_mean=(model.albedo_mean + spots).clamp(0, 1))


def drawn_softly(picture: torch.Tensor) -> torch.Tensor:
    """What a generator that draws no details makes of a picture."""
    return smooth(picture, 2.0)


@pytest.mark.parametrize("side", [SIDE, 150])
def test_where_nothing_changes_it_is_the_photograph(head: MorphableModel, side: int) -> None:
    params = face(head, yaw=10.0)
    image = true_picture(head, params, side)
    drawn = drawn_softly(true_picture(head, params))
    torch.testing.assert_close(compose(Photograph(image, drawn, params), drawn, params, head), image, atol=1e-3, rtol=0)


@pytest.mark.parametrize("change", [{"yaw": 12.0}, {"jawOpen": 1.0}, {"mouthSmile": 1.0}, {"azimuth": -0.4}])
@pytest.mark.parametrize("side", [SIDE, 128])
def test_it_comes_nearer_to_the_true_picture_than_either_of_which_it_is_made(
    head: MorphableModel, change: dict[str, float], side: int
) -> None:
    before, after = face(head), face(head, **change)
    photograph = Photograph(true_picture(head, before, side), drawn_softly(true_picture(head, before)), before)
    edited = drawn_softly(true_picture(head, after))
    truth = true_picture(head, after, side)
    made = psnr(compose(photograph, edited, after, head), truth)
    assert made > psnr(functional.interpolate(edited, size=(side, side), mode="bilinear"), truth) + 3
    assert made > psnr(photograph.image, truth) + 1


def test_what_nothing_explains_is_the_generators(head: MorphableModel) -> None:
    """A large thing of another colour is there where it was drawn, and nowhere else."""
    params = face(head)
    image = true_picture(head, params)
    drawn = drawn_softly(image)
    edited = drawn.clone()
    edited[:, 0, 40:52, 24:40], edited[:, 1:, 40:52, 24:40] = 1.0, -1.0
    made = compose(Photograph(image, drawn, params), edited, params, head)
    torch.testing.assert_close(made[:, :, 43:49, 27:37], edited[:, :, 43:49, 27:37], atol=0.15, rtol=0)
    torch.testing.assert_close(made[:, :, :20], image[:, :, :20], atol=0.1, rtol=0)


def test_the_worse_a_photograph_is_drawn_the_less_of_its_edit_is_taken(head: MorphableModel) -> None:
    """The same change, of a generator that has learned the photograph and of one that has not."""
    params = face(head)
    image = true_picture(head, params)
    axis = torch.arange(SIDE) // 3 % 2 - 0.5
    change = 1.2 * (axis[:, None] * axis).expand(1, 3, -1, -1)
    stripes = axis.expand(1, 3, SIDE, -1)
    taken = []
    for drawn in (drawn_softly(image), drawn_softly(image) + stripes):
        made = compose(Photograph(image, drawn, params), drawn + change, params, head)
        taken.append((made - image).square().mean().sqrt())
    assert taken[1] < 0.85 * taken[0]
