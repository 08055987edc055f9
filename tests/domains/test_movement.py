"""Movements move every picture alike, and lose nothing but what leaves it."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from domains.movement import FAR, Movement

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
