"""Derivatives of landmarks and pixels against differences."""

import pytest
import torch

from cddfm.camera import Camera, rotation
from cddfm.fitting.landmarks import first_pose, landmark_jacobian
from cddfm.fitting.pixels import _blend, colours, look, pixel_jacobian
from cddfm.fitting.subject import Subject
from cddfm.params import GROUPS
from cuda_ops import rasterize as rasterizer
from cuda_ops.rasterize import rasterize, vertex_normals
from tests.cddfm.standins import random_params, small_model

SIDE = 40


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(small_model(24, 30), Camera(centre_x=0.3))


@pytest.fixture(scope="module")
def flat(subject) -> torch.Tensor:
    return random_params(subject.model, 1).flatten()[0]


def direction(subject: Subject, group: str) -> torch.Tensor:
    step = torch.zeros(subject.layout.total)
    part = subject.layout.slices[group]
    step[part] = torch.randn(part.stop - part.start, generator=torch.Generator().manual_seed(1))
    return step


@pytest.mark.parametrize("group", GROUPS)
def test_landmarks(subject, flat, group):
    step, place = direction(subject, group).double() * 1e-5, flat.double()
    change = landmark_jacobian(subject, place + step)[0] - landmark_jacobian(subject, place - step)[0]
    torch.testing.assert_close(change / 2, landmark_jacobian(subject, place)[1] @ step, atol=1e-11, rtol=1e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_pixels_with_visibility_held(subject, flat, group):
    mesh, view = subject.mesh, look(subject, flat, SIDE)
    face = rasterize(subject.camera.project(view.placed[None]), mesh.triangles, SIDE, cull=True).face

    def seen(place: torch.Tensor) -> torch.Tensor:
        params, head = subject.params(place), subject.skin(place)
        ndc = subject.camera.project(subject.placed(head, place)[None])
        screen = torch.stack([(ndc[..., 0] + 1) * SIDE / 2 - 0.5, (1 - ndc[..., 1]) * SIDE / 2 - 0.5, ndc[..., 2]], dim=-1)
        weight = rasterizer._locate(screen, mesh.triangles, face)[0].flatten(0, 2)[view.pixel]
        albedo = (mesh.albedo_mean + subject.tone @ params.albedo[0]).clamp(0, 1)
        normals = vertex_normals(head[None], mesh.triangles)[0] @ rotation(params.pose)[0].T
        return colours(_blend(torch.cat([albedo, normals], 1), view.corner, weight), params.light)

    torch.testing.assert_close(seen(flat), view.colour, atol=1e-5, rtol=1e-4)
    step = direction(subject, group)
    numeric = (seen(flat + 1e-3 * step) - seen(flat - 1e-3 * step)) / 2e-3
    found = pixel_jacobian(subject, view, flat) @ step
    assert (numeric - found).norm() < 0.02 * numeric.norm()


def test_the_first_pose_is_near(subject):
    truth = random_params(subject.model, 1, seed=3).replace(
        pose=torch.tensor([[0.3, -0.7, 0.2]]), identity=torch.zeros(1, 3), expression=torch.zeros(1, 4)
    )
    landmarks = landmark_jacobian(subject, truth.flatten()[0])[0].double()
    found = first_pose(subject, landmarks, torch.ones(68).double())
    assert (found.pose - truth.pose).abs().max() < 0.15
    assert (found.translation - truth.translation)[0, :2].abs().max() < 1.0
