"""Errors are zero at the truth and grow as their definitions say."""

import math

import pytest
import torch

from cddfm.objectives import dilated, group_errors, group_weights, landmark_error, outside_error, photometric_error, pose_error
from cddfm.params import GROUPS, ParamLayout
from stylespace.schedule import rate_at


def test_group_errors_belong_to_their_group():
    layout = ParamLayout(3, 4, 2)
    truth = torch.zeros(1, layout.total)
    guess = truth.clone()
    guess[:, layout.slices["pose"]] = 2.0
    errors = group_errors(layout, guess, truth)[0]
    assert errors[GROUPS.index("pose")] == pytest.approx(1.5)
    assert errors.sum() == errors[GROUPS.index("pose")]
    asked = torch.zeros_like(truth)
    asked[:, layout.slices["pose"].start] = 0.7
    guess[:, layout.slices["pose"].start] = 0.0
    focused = group_errors(layout, guess, truth, asked)[0, GROUPS.index("pose")]
    assert focused == pytest.approx(0.5)  # half the mean of 0, 1.5, 1.5; the asked one is met
    assert group_weights({"pose": 2.0}, torch.device("cpu")).tolist() == [0, 0, 0, 2, 0, 0]


def test_pose_error_is_the_angle_between_rotations():
    turned = torch.tensor([[0.0, math.radians(30), 0.0]])
    assert pose_error(turned, torch.zeros(1, 3)).item() == pytest.approx(math.radians(30), abs=1e-4)


def test_picture_errors_look_where_they_should():
    before, after, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 2:4, 2:4] = 1
    after[..., 2:4, 2:4] = 1
    assert outside_error(after, before, mask).item() == 0
    assert photometric_error(after, mask, before).item() > 0.9 * 12 / 13
    assert outside_error(after, before, torch.zeros_like(mask)).item() > 0
    assert dilated(mask, 1 / 8).sum() == 16
    assert landmark_error(torch.ones(1, 68, 2), torch.zeros(1, 68, 2)).item() == pytest.approx(math.sqrt(2), abs=1e-3)


def test_the_learning_rate_warms_up_and_ends_at_zero():
    rates = [rate_at(position, 1000, floor=0.0) for position in range(0, 1001, 10)]
    assert rates[0] < 0.1
    assert max(rates) > 0.99
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[5:] == sorted(rates[5:], reverse=True)
