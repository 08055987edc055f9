"""Movements move every picture alike, and lose nothing but what leaves it."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from domains.movement import FAR, TURN, ZOOM, Movement

SIDE = 3 * FAR
IMAGES = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@given(st.integers(-3, 3), st.integers(-3, 3), st.booleans())
def test_a_pixel_is_where_it_was_moved_to(down, right, mirrored):
    moved = Movement(down, right, mirrored)(IMAGES)
    assert moved.shape == IMAGES.shape
    row, column = 20 + down, 30 + right
    assert torch.equal(moved[:, :, row, SIDE - 1 - column if mirrored else column], IMAGES[:, :, 20, 30])


def test_what_comes_in_is_the_outermost_pixel_again():
    moved = Movement(2, -1, False)(IMAGES)
    assert torch.equal(moved[:, :, 0], moved[:, :, 2])
    assert torch.equal(moved[:, :, :, -1], moved[:, :, :, -2])


def test_they_go_either_way_and_not_far():
    generator = torch.Generator().manual_seed(1)
    drawn = [Movement.drawn(SIDE, generator) for _ in range(300)]
    for steps in ({each.down for each in drawn}, {each.right for each in drawn}):
        assert steps == set(range(-3, 4))
    assert {each.mirrored for each in drawn} == {True, False}
    assert Movement.drawn(FAR - 1, generator)[:2] == (0, 0)


def test_gradients_come_back_to_where_pixels_were():
    leaf = IMAGES.clone().requires_grad_(True)
    Movement(1, 2, True)(leaf)[:, :, 50, 40].sum().backward()
    row, column = (leaf.grad[0, 0] != 0).nonzero()[0].tolist()
    assert (row, column) == (49, SIDE - 1 - 40 - 2)
    assert int((leaf.grad != 0).sum()) == 6


def test_half_of_them_turn_and_zoom_as_well():
    generator = torch.Generator().manual_seed(2)
    drawn = [Movement.drawn(SIDE, generator) for _ in range(400)]
    swung = [each for each in drawn if each.turn]
    assert 160 < len(swung) < 240 and all(each.zoom == 1.0 for each in drawn if not each.turn)
    assert all(abs(each.turn) <= TURN and 1 / ZOOM <= each.zoom <= ZOOM for each in swung)
    assert min(each.turn for each in swung) < -0.8 * TURN and max(each.zoom for each in swung) > ZOOM**0.8


@given(st.floats(-20.0, 20.0), st.floats(0.8, 1.25))
def test_a_picture_turns_and_grows_about_its_centre_as_scipy_says(turn, zoom):
    angle, centre = np.radians(turn), (SIDE - 1) / 2
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / zoom
    offset = centre - back @ np.full(2, centre)
    expected = ndimage.affine_transform(IMAGES[0, 0].double().numpy(), back, offset, order=1, mode="nearest")
    moved = Movement(0, 0, False, turn, zoom)(IMAGES.double())
    np.testing.assert_allclose(moved[0, 0].numpy(), expected, atol=1e-9)


def test_a_quarter_turn_counter_clockwise():
    torch.testing.assert_close(Movement(0, 0, False, 90.0)(IMAGES), IMAGES.rot90(1, (2, 3)), atol=1e-4, rtol=0)
