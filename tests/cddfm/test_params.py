import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cddfm.camera import Camera, place, rotation, to_pixels
from cddfm.params import GROUPS, FaceParams, ParamLayout, ParamStatistics

sizes = st.integers(min_value=1, max_value=90)


@given(identity=sizes, expression=sizes, albedo=sizes, batch=st.integers(min_value=1, max_value=3))
def test_flat_form_is_invertible_and_slices_tile_it(identity, expression, albedo, batch):
    layout = ParamLayout(identity, expression, albedo)
    flat = torch.arange(batch * layout.total, dtype=torch.float32).view(batch, -1)
    params = FaceParams.unflatten(layout, flat)
    assert params.layout == layout
    assert torch.equal(params.flatten(), flat)
    covered = torch.cat([flat[0, layout.slices[group]] for group in GROUPS])
    assert torch.equal(covered, flat[0])


def test_a_literature_sized_model_has_257_parameters():
    assert ParamLayout(identity=80, expression=64, albedo=80).total == 257


def test_wrong_width_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"12 numbers where the layout has 36"):
        FaceParams.unflatten(ParamLayout(1, 1, 1), torch.zeros(2, 12))


def test_replace_refuses_unknown_groups():
    with pytest.raises(TypeError):
        FaceParams.neutral(ParamLayout(1, 1, 1), 1).replace(mood=torch.zeros(1, 1))


def test_statistics_standardise_and_survive_constant_parameters():
    flat = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    flat[:, 2] = 7.0
    statistics = ParamStatistics.measure(flat)
    standard = statistics.standardise(flat)
    assert standard.isfinite().all()
    assert torch.allclose(standard[:, 0].std(), torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(statistics.restore(standard), flat, atol=1e-5)


@pytest.mark.parametrize(
    ("pose", "point", "expected"),
    [
        ((0.0, math.pi / 2, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),  # yaw turns the nose to the viewer's right
        ((math.pi / 2, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),  # pitch lifts it
        ((0.0, 0.0, math.pi / 2), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),  # roll turns the picture counter-clockwise
    ],
)
def test_signs_of_the_pose_axes(pose, point, expected):
    turned = rotation(torch.tensor([pose])) @ torch.tensor(point)
    assert torch.allclose(turned, torch.tensor([expected]), atol=1e-6)


@given(st.lists(st.floats(min_value=-3, max_value=3), min_size=3, max_size=3))
def test_rotations_are_proper(pose):
    matrix = rotation(torch.tensor([pose], dtype=torch.float64))
    assert torch.allclose(matrix @ matrix.transpose(1, 2), torch.eye(3, dtype=torch.float64)[None], atol=1e-12)
    assert torch.allclose(matrix.det(), torch.ones(1, dtype=torch.float64))


def test_the_pivot_does_not_move_under_rotation():
    pivot = torch.tensor([0.0, -3.0, -7.0])
    moved = place(pivot[None, None], torch.tensor([[0.3, -0.5, 0.2]]), torch.tensor([[1.0, 2.0, 3.0]]), pivot)
    assert torch.allclose(moved[0, 0], pivot + torch.tensor([1.0, 2.0, 3.0]), atol=1e-6)


def test_the_camera_sees_its_half_height_and_pixels_have_centres():
    camera = Camera()
    ndc = camera.project(torch.tensor([[[0.0, camera.centre_y + camera.half_height, 0.0], [0.0, camera.centre_y, 0.0]]]))
    assert torch.allclose(ndc[0, :, 1], torch.tensor([1.0, 0.0]), atol=1e-6)
    assert torch.allclose(ndc[0, :, 2], torch.tensor(camera.distance))
    corners = to_pixels(torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]]), 4)
    assert torch.equal(corners, torch.tensor([[[-0.5, -0.5], [3.5, 3.5]]]))
