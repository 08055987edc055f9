from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from cddfm.compose import Photograph, compose, in_manner
from cddfm.evaluation.likeness import psnr
from cddfm.head import build_head
from cddfm.lighting import light_from
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.planes import smooth
from cddfm.render import render

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
    assert torch.equal(compose(Photograph(image, drawn, params), drawn, params, head), image)


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
    for drawn in (image, drawn_softly(image) + stripes):
        made = compose(Photograph(image, drawn, params), drawn + change, params, head)
        taken.append((made - image).square().mean().sqrt())
    assert taken[1] < 0.85 * taken[0]


def noise(seed: int) -> torch.Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_domain_whose_colours_are_a_linear_map_of_the_portraits_answers_by_it() -> None:
    """However it lights and paints what is coarse, and each picture by its own map."""
    maps = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1))
    own, lacking = noise(2), noise(3)
    coarse = torch.linspace(-1, 1, SIDE).expand(2, 3, SIDE, SIDE)
    drawn = (maps @ own.flatten(2)).view_as(own) + coarse
    expected = (maps @ lacking.flatten(2)).view_as(own)
    torch.testing.assert_close(in_manner(lacking, own, drawn), expected, atol=0.05, rtol=0)


def test_grey_domains_answer_in_grey_and_those_that_show_nothing_of_it_not_at_all() -> None:
    own, lacking = noise(2), noise(3)
    grey = in_manner(lacking, own, own.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1))
    assert (grey.amax(dim=1) - grey.amin(dim=1)).max() < 1e-4
    assert grey.std() > 0.2
    assert in_manner(lacking, own, noise(4)).std() < 0.1 * lacking.std()
    assert in_manner(lacking, torch.zeros_like(own), own).abs().max() == 0
