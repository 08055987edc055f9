"""An unwrapped face is the same whatever the pose, and each point of the surface is where the model has it."""

import pytest
import torch

from cddfm.head import build_head
from cddfm.params import FaceParams
from cddfm.render import render
from cddfm.unwrap import Unwrap, frontal_surface

SIDE = 32


@pytest.fixture(scope="module")
def head():
    return build_head().model


def test_the_surface_is_the_mean_face_seen_from_the_front(head):
    surface = frontal_surface(head, SIDE)
    assert surface.shape == (SIDE, SIDE, 3)
    assert surface[0, 0, 1] > surface[-1, 0, 1] and surface[0, 0, 0] < surface[0, -1, 0]
    marks = head.mean[head.landmarks]
    flat = surface.flatten(0, 1)
    for mark in marks[[30, 36, 45, 8]]:  # the nose's tip, the eyes' corners, the chin
        nearest = flat[(flat[:, :2] - mark[:2]).square().sum(dim=1).argmin()]
        assert (nearest - mark).norm() < 1.0


def test_it_is_kept_with_the_weights(head):
    unwrap, other = Unwrap(SIDE), Unwrap(SIDE)
    unwrap.fit(head)
    other.load_state_dict(unwrap.state_dict())
    assert torch.equal(other.points, unwrap.points) and torch.equal(other.pivot, head.pivot)


def test_a_turned_face_is_laid_straight(head):
    params = FaceParams.neutral(head.layout, 2)
    params = params.replace(
        albedo=torch.randn(1, head.layout.albedo, generator=torch.Generator().manual_seed(3)).expand(2, -1),
        pose=torch.tensor([[0.0, 0.0, 0.0], [0.15, 0.3, 0.2]]),
        translation=torch.tensor([[0.0, 0.0, 0.0], [0.5, -0.4, 1.0]]),
    )
    # The look of neutral light turns with the head as little as possible: what is compared is where things are.
    pictures = 2 * render(head, params, 128).image - 1
    unwrap = Unwrap(SIDE)
    unwrap.fit(head)
    straight = unwrap(pictures, params)
    inner = straight[:, :, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]
    wrong = unwrap(pictures, params.replace(pose=torch.zeros(2, 3)))[:, :, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]
    assert (inner[0] - inner[1]).abs().mean() < 0.4 * (wrong[0] - wrong[1]).abs().mean()


def test_a_model_without_a_surface_is_refused(egg):
    from dataclasses import replace

    with pytest.raises(ValueError, match="no surface"):
        frontal_surface(replace(egg, triangles=egg.triangles[:0]), SIDE)
