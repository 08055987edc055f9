import math

import pytest
import torch

from cddfm.camera import Camera
from cddfm.lighting import light_from, shade, to_srgb
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.render import project_landmarks, render, seen_points, skin_mesh

RADIUS = 8.0


@pytest.fixture(scope="module")
def ball() -> MorphableModel:
    """A sphere about the camera's axis whose one identity component is its size, with one expression and one albedo component."""
    rows, columns = 60, 90
    down = torch.linspace(0, math.pi, rows)[:, None].expand(-1, columns)
    around = (torch.arange(columns) / columns * 2 * math.pi)[None].expand(rows, -1)
    mean = torch.stack([down.sin() * around.sin(), down.cos(), down.sin() * around.cos()], dim=-1).flatten(0, 1)
    corner = (torch.arange(rows - 1)[:, None] * columns + torch.arange(columns)).flatten()
    beside = (torch.arange(rows - 1)[:, None] * columns + (torch.arange(columns) + 1) % columns).flatten()
    triangles = torch.cat(
        [torch.stack([corner, corner + columns, beside], -1), torch.stack([beside, corner + columns, beside + columns], -1)]
    )
    centre = torch.tensor([0.0, -0.5, 0.0])
    return MorphableModel(
        name="ball",
        mean=mean * RADIUS + centre,
        identity_basis=mean[None],
        expression_basis=torch.stack([torch.zeros_like(mean[:, 0]), mean[:, 1], torch.zeros_like(mean[:, 0])], -1)[None],
        albedo_mean=torch.full_like(mean, 0.5),
        albedo_basis=0.1 * (1 + torch.sin(3 * mean[:, :1] + mean[:, 1:2])).expand(-1, 3)[None],
        triangles=triangles,
        landmarks=torch.arange(68) * 70,
        skin=mean[:, 2] > -0.5,
        pivot=centre,
        identity_names=("size",),
        expression_names=("stretch",),
        albedo_names=("tone",),
    )


def lit(model: MorphableModel, batch: int = 1) -> FaceParams:
    light = light_from(torch.tensor([0.6]), torch.tensor([0.3]), torch.tensor([0.7]), torch.tensor([0.3]), torch.tensor([[1.0, 0.9, 0.8]]))
    return FaceParams.neutral(model.layout, batch).replace(light=light.expand(batch, -1))


def test_sphere_is_shaded_as_its_closed_form(ball):
    size, params = 64, lit(ball)
    drawn = render(ball, params, size)
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    ray = torch.stack([x * 13.5 / 100, y * 13.5 / 100, -torch.ones_like(x)], dim=-1)
    a, b, c = (ray * ray).sum(-1), -2 * 100 * -ray[..., 2] * 1.0, 100.0**2 - RADIUS**2
    root = b * b - 4 * a * c
    hit = root > 0
    distance = (-b - root.clamp(min=0).sqrt()) / (2 * a)
    normal = (ray * distance.unsqueeze(-1) + torch.tensor([0.0, 0.0, 100.0])) / RADIUS
    expected = to_srgb(0.5 * shade(normal[None], params.light).clamp(min=0))[0].permute(2, 0, 1)
    assert ((drawn.mask[0, 0] > 0) != hit).float().mean() < 0.01
    inner = hit & (normal[..., 2] > 0.3)
    assert (drawn.image[0] - expected).abs().amax(0)[inner].max() < 0.02
    assert (drawn.depth[0] - distance)[inner].abs().max() < 0.05
    assert (drawn.image[0][:, drawn.mask[0, 0] == 0] == -1).all()


def test_only_skin_is_drawn(ball):
    chosen = skin_mesh(ball).chosen
    assert ball.skin[chosen].all() and len(chosen) == ball.skin.sum()
    assert skin_mesh(ball) is skin_mesh(ball)


def test_every_group_of_parameters_receives_a_true_gradient(ball):
    """Directional derivative of the picture's weighted mean against central differences, away from the silhouette."""
    base = lit(ball).replace(albedo=torch.ones(1, 1)).flatten()
    weight = torch.zeros(24, 24)
    weight[8:16, 8:16] = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))

    def score(flat: torch.Tensor) -> torch.Tensor:
        return (render(ball, FaceParams.unflatten(ball.layout, flat), 24).image * weight).sum()

    flat = base.clone().requires_grad_()
    score(flat).backward()
    for group, part in ball.layout.slices.items():
        step = torch.zeros_like(base)
        step[:, part] = torch.linspace(0.5, 1.0, part.stop - part.start) * 0.02
        numeric = (score(base + step) - score(base - step)).item() / 2
        assert (flat.grad * step).sum().item() == pytest.approx(numeric, rel=0.25, abs=2e-3), group


def test_albedo_gradient_is_exact(ball):
    def shown(albedo: torch.Tensor) -> torch.Tensor:
        return render(ball, lit(ball).replace(albedo=albedo), 16).image.mean()

    albedo = torch.tensor([[0.3]], requires_grad=True)
    shown(albedo).backward()
    step = torch.tensor([[0.02]])
    assert albedo.grad.item() == pytest.approx(((shown(albedo + step) - shown(albedo - step)) / 0.04).item(), rel=1e-2)


def test_landmarks_agree_and_supersampling_softens_the_edge(ball):
    params = lit(ball, 2)
    drawn = render(ball, params, 24, supersample=2)
    assert torch.equal(drawn.landmarks, project_landmarks(ball, params))
    assert ((drawn.mask > 0) & (drawn.mask < 1)).any()
    assert drawn.image.shape == (2, 3, 24, 24) and drawn.depth.shape == (2, 24, 24)
    nearer = render(ball, params, 24, camera=Camera(distance=50.0))
    assert nearer.mask.sum() > drawn.mask.sum()


def test_normals_are_the_spheres_and_turn_with_it(ball):
    drawn = render(ball, lit(ball), 33)
    covered = drawn.depth[0] > 0
    assert torch.equal(drawn.normals[0].norm(dim=0) > 0.5, covered)
    torch.testing.assert_close(drawn.normals[0][:, 16, 16], torch.tensor([0.0, 0.0, 1.0]), atol=5e-3, rtol=0)
    assert drawn.normals[0, 0, 16, 22] > 0.3 and drawn.normals[0, 1, 10, 16] > 0.3
    assert render(ball, lit(ball), 16, supersample=2).normals.shape == (1, 3, 16, 16)


def test_depth_and_normals_carry_gradients(ball):
    translation = torch.zeros(1, 3, requires_grad=True)
    drawn = render(ball, lit(ball).replace(translation=translation), 16)
    (drawn.depth.sum() + drawn.normals[:, 0].abs().sum()).backward()
    assert translation.grad[0, 2] < -10


def test_landmarks_on_the_far_side_are_hidden(ball):
    params = lit(ball)
    drawn = render(ball, params, 64)
    away = ball.mean[ball.landmarks][:, 2]
    assert drawn.visible[0][away > 1.5].all() and not drawn.visible[0][away < -3].any()
    turned = render(ball, params.replace(pose=torch.tensor([[0.0, 1.2, 0.0]])), 64)
    assert not torch.equal(turned.visible, drawn.visible)


def test_a_point_is_seen_when_nothing_nearer_is_there():
    depth = torch.zeros(1, 8, 8)
    depth[0, :, 4:] = 50.0
    points = torch.tensor([[[0.5, 0.0, 50.2], [0.5, 0.0, 51.0], [-0.5, 0.0, 70.0], [1.5, 0.0, 10.0], [0.0, 0.0, -1.0]]])
    assert seen_points(points, depth)[0].tolist() == [True, False, True, False, False]
