"""Augmented labels explain augmented pictures: warping a rendering equals rendering the warped parameters."""

import math

import torch

from cddfm.camera import rotation
from cddfm.lighting import shade
from cddfm.render import project_landmarks, render
from cddfm.stages.augment import Strength, Warp, degrade, turn_light
from tests.cddfm.standins import random_params


def warp_of(shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0, turn: float = 0.0, gain: float = 1.0) -> Warp:
    return Warp(torch.tensor([shift]), torch.tensor([scale]), torch.tensor([turn]), torch.full((1, 3), gain))


def test_landmarks_follow_the_picture(egg):
    params = random_params(egg, 1)
    before = project_landmarks(egg, params)[0]
    warp = warp_of((0.1, -0.2), 1.1, 0.2)
    after = project_landmarks(egg, warp.params(params, egg.pivot))[0]
    turned = rotation(torch.tensor([[0.0, 0.0, 0.2]]))[0, :2, :2]
    assert (after - (1.1 * before @ turned.T + torch.tensor([0.1, -0.2]))).abs().max() < 0.03


def test_a_turn_and_a_gain_are_exact(egg):
    params = random_params(egg, 1)
    warp = warp_of(turn=math.radians(90), gain=0.8)
    direct = render(egg, warp.params(params, egg.pivot), 48)
    warped = warp.images(render(egg, params, 48).image)
    inside = direct.mask > 0
    assert ((direct.image - warped).abs() * inside).sum() / inside.sum() / 3 < 0.03
    assert ((direct.image - render(egg, params, 48).image).abs() * inside).sum() / inside.sum() / 3 > 0.06


def test_a_shift_moves_the_picture_up_and_right(egg):
    images = -torch.ones(1, 3, 20, 20)
    images[..., 10, 10] = 1
    moved = warp_of((0.2, 0.3)).images(images)[0, 0]
    assert divmod(int(moved.argmax()), 20) == (7, 12)


def test_no_strength_is_no_change(egg):
    still = Strength(*[0.0] * 10)
    params = random_params(egg, 3)
    warp = Warp.draw(3, torch.Generator().manual_seed(0), still, torch.device("cpu"))
    assert torch.allclose(warp.params(params, egg.pivot).flatten(), params.flatten(), atol=1e-4)
    images = torch.rand(3, 3, 16, 16) * 1.9 - 0.95
    assert torch.allclose(warp.images(images), images, atol=1e-4)
    assert torch.allclose(degrade(images, torch.Generator().manual_seed(0), still), images, atol=1e-4)


def test_lights_turn_with_the_world():
    light = torch.randn(2, 27)
    turned = rotation(torch.tensor([[0.3, -0.4, 0.9], [0.0, 0.0, 1.5]]))
    normals = torch.nn.functional.normalize(torch.randn(2, 50, 3), dim=-1)
    assert torch.allclose(shade(normals @ turned.transpose(1, 2), turn_light(light, turned)), shade(normals, light), atol=1e-4)


def test_degrading_is_repeatable_and_stays_in_range():
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    first, second = (degrade(images, torch.Generator().manual_seed(7), Strength()) for _ in range(2))
    assert torch.equal(first, second)
    assert first.abs().max() <= 1
    assert (first - images).abs().mean() > 0.01
