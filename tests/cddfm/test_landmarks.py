"""Landmarks are read where heat lies, and a mirrored picture has the mirrored landmarks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cddfm.head import build_head
from cddfm.landmarks import MIRRORED, Landmarker, means
from cddfm.planes import centres


@pytest.fixture(scope="module")
def network() -> Landmarker:
    torch.manual_seed(0)
    return Landmarker(32, widths=(8, 16, 16), top=8).eval()


def test_the_built_in_heads_landmarks_are_their_own_mirror_images():
    """An outside oracle: the head is symmetric, and its landmarks are named by iBUG's numbers."""
    model = build_head().model
    points = model.mean[model.landmarks]
    mirrored = points[list(MIRRORED)] * points.new_tensor([-1.0, 1.0, 1.0])
    assert (mirrored - points).norm(dim=1).max() < 0.3
    assert (points[list(MIRRORED)] - points).norm(dim=1).max() > 5
    assert [MIRRORED[k] for k in MIRRORED] == list(range(68))


@given(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6))
def test_the_mean_of_heat_is_where_it_lies(x: float, y: float):
    side, place = 64, centres(64, torch.zeros(1))
    heat = -((place[None, :] - x) ** 2 + (place[:, None] + y) ** 2) / (2 * 0.08**2)
    found = means(heat.flatten().log_softmax(dim=0).view(1, 1, side, side))
    assert found[0, 0].tolist() == pytest.approx([x, y], abs=1e-4)


def test_heat_of_every_landmark_adds_up_to_one(network):
    heat = network.heat(torch.rand(2, 3, 48, 48) * 2 - 1)
    assert heat.shape == (2, 68, 8, 8)
    assert torch.allclose(heat.exp().sum(dim=(2, 3)), torch.ones(2, 68), atol=1e-5)


@torch.no_grad()
def test_a_mirrored_picture_has_mirrored_landmarks(network):
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    found, mirrored = network(images), network(images.flip(3))
    assert torch.allclose(mirrored[:, list(MIRRORED)] * torch.tensor([-1.0, 1.0]), found, atol=1e-5)
    assert (found - found[:, list(MIRRORED)]).abs().max() > 1e-3
