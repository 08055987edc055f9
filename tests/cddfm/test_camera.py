import math

import pytest
import torch

from cddfm.camera import Camera, place, rotation, to_ndc, to_pixels


def test_middle_and_edge_of_the_picture():
    points = torch.tensor([[[0.0, -0.5, 0.0], [13.5, 13.0, 0.0], [0.0, -0.5, 20.0]]])
    expected = torch.tensor([[[0.0, 0.0, 100.0], [1.0, 1.0, 100.0], [0.0, 0.0, 80.0]]])
    torch.testing.assert_close(Camera().project(points), expected)


@pytest.mark.parametrize(("pose", "axis", "sign"), [((0.3, 0, 0), 1, 1), ((0, 0.3, 0), 0, 1)])
def test_positive_pitch_looks_up_and_positive_yaw_to_the_viewers_right(pose, axis, sign):
    forward = rotation(torch.tensor([pose])) @ torch.tensor([0.0, 0.0, 1.0])
    assert forward[0, axis] * sign == pytest.approx(math.sin(0.3), abs=1e-6)


def test_positive_roll_turns_counter_clockwise():
    up = rotation(torch.tensor([[0.0, 0.0, 0.3]])) @ torch.tensor([0.0, 1.0, 0.0])
    assert up[0, 0] == pytest.approx(-math.sin(0.3), abs=1e-6)


def test_the_pivot_only_moves_by_the_translation():
    pivot, shift = torch.tensor([0.0, -4.0, -7.0]), torch.tensor([[0.5, 0.1, -2.0]])
    placed = place(pivot.view(1, 1, 3), torch.tensor([[0.2, -0.5, 0.1]]), shift, pivot)
    torch.testing.assert_close(placed[0, 0], pivot + shift[0])


def test_pixels_of_the_corners():
    corners = torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]])
    torch.testing.assert_close(to_pixels(corners, 64), torch.tensor([[[-0.5, -0.5], [63.5, 63.5]]]))
    torch.testing.assert_close(to_ndc(to_pixels(corners, 64), 64), corners)


def test_the_middle_may_lie_aside():
    assert Camera(centre_x=2.0).project(torch.tensor([[[2.0, -0.5, 0.0]]]))[0, 0].tolist() == [0.0, 0.0, 100.0]
