import math

import pytest
import torch

from cddfm.metrics import (
    average,
    disentanglement,
    gain,
    leakage,
    mean_pairwise_distance,
    pose_leakage_degrees,
    spread,
    target_error,
    touched_by,
)
from cddfm.params import ParamLayout

LAYOUT = ParamLayout(identity=4, expression=3, albedo=2)


def only(*indices: int) -> torch.Tensor:
    mask = torch.zeros(LAYOUT.total, dtype=torch.bool)
    mask[list(indices)] = True
    return mask


def test_gain_is_the_slope_through_zero() -> None:
    requested = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    assert gain(requested, 0.7 * requested) == pytest.approx(0.7)
    assert gain(requested, 0.7 * requested + 5.0) == pytest.approx(0.7)
    assert gain(requested, torch.zeros(4, 1)) == 0


def test_gain_counts_what_points_along_the_request() -> None:
    requested = torch.tensor([[1.0, 0.0]])
    assert gain(requested, torch.tensor([[0.5, 9.0]])) == pytest.approx(0.5)


def test_target_error_looks_at_touched_parameters_only() -> None:
    requested, achieved = torch.zeros(2, LAYOUT.total), torch.full((2, LAYOUT.total), 9.0)
    requested[:, 1], achieved[:, 1] = 1.0, torch.tensor([0.5, 1.25])
    assert target_error(requested, achieved, only(1)) == pytest.approx(0.375)


def test_leakage_is_in_population_deviations() -> None:
    achieved = torch.zeros(2, LAYOUT.total)
    yaw = LAYOUT.slices["pose"].start + 1
    achieved[:, yaw] = 0.3
    achieved[:, LAYOUT.slices["expression"]] = torch.tensor([[0.2, 0.0, 0.0], [-0.2, 0.0, 0.0]])
    scale = torch.full((LAYOUT.total,), 0.1)
    found = leakage(LAYOUT, achieved, scale, only(yaw))
    assert found["expression"] == pytest.approx(2 / 3)
    assert found["pose"] == 0
    assert found["identity"] == 0
    touched = only(*range(LAYOUT.slices["identity"].start, LAYOUT.slices["identity"].stop))
    assert leakage(LAYOUT, achieved, scale, touched)["identity"] is None


def test_pose_leakage_is_in_degrees() -> None:
    start = LAYOUT.slices["pose"].start
    achieved = torch.zeros(2, LAYOUT.total)
    achieved[:, start] = torch.tensor([math.radians(2), -math.radians(4)])
    found = pose_leakage_degrees(LAYOUT, achieved, only(start + 1))
    assert found["pitch"] == pytest.approx(3, rel=1e-4)
    assert found["yaw"] is None
    assert found["roll"] == 0


def test_spread_never_divides_by_nothing() -> None:
    flat = torch.zeros(5, 2)
    flat[:, 1] = torch.arange(5.0)
    assert spread(flat).tolist() == pytest.approx([1.0, math.sqrt(2.0)])


def test_rounding_is_no_request() -> None:
    requested = torch.tensor([[0.0, 1e-7, 0.5], [0.0, -1e-7, -2.0]])
    assert touched_by(requested).tolist() == [False, False, True]
    assert not touched_by(torch.zeros(2, 3)).any()


def test_distances_within_groups() -> None:
    groups = torch.tensor([[[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]])
    assert mean_pairwise_distance(groups) == pytest.approx((5 + 0 + 5 + 0 + 0 + 0) / 6)


def test_disentanglement_is_the_product_of_ratios() -> None:
    spreads = {"pose": 0.8, "light": 0.2, "identity": 0.4}
    assert disentanglement(spreads, "pose") == pytest.approx(4 * 2)
    assert disentanglement(spreads, "light") == pytest.approx(0.25 * 0.5)


def test_averages_skip_what_was_not_measured() -> None:
    assert average(torch.tensor([1.0, float("nan"), 3.0])) == pytest.approx(2)
    assert average(torch.tensor([float("nan")])) is None
