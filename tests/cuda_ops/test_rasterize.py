import pytest
import torch

from cuda_ops import native
from cuda_ops import rasterize as module
from cuda_ops.rasterize import interpolate, rasterize, vertex_normals

SQUARE = torch.tensor([[-0.5, -0.5, 2.0], [0.5, -0.5, 2.0], [0.5, 0.5, 2.0], [-0.5, 0.5, 2.0]])
HALVES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def cloud(faces: int, batch: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    centre = torch.rand(batch, faces, 1, 3, generator=random) * 2 - 1
    corners = centre + 0.4 * torch.randn(batch, faces, 3, 3, generator=random)
    corners[..., 2] = 1.5 + torch.rand(batch, faces, 3, generator=random)
    return corners.flatten(1, 2), torch.arange(faces * 3).view(faces, 3)


def brute_force(vertices: torch.Tensor, triangles: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest face and its depth by testing every triangle at every pixel, in double precision."""
    x = (torch.arange(size).double() + 0.5) / size * 2 - 1
    spot = torch.stack(torch.meshgrid(-x, x, indexing="ij")[::-1], dim=-1)
    best, chosen = torch.zeros(size, size).double(), torch.full((size, size), -1)
    for index, triangle in enumerate(triangles):
        a, b, c = vertices[triangle].double()
        matrix = torch.stack([b[:2] - a[:2], c[:2] - a[:2]], dim=1)
        weights = (spot - a[:2]) @ torch.linalg.inv(matrix).T
        weights = torch.cat([1 - weights.sum(-1, keepdim=True), weights], dim=-1)
        inverse = weights @ (1 / torch.stack([a[2], b[2], c[2]]))
        wins = (weights.amin(-1) >= 0) & (inverse > best)
        best, chosen = torch.where(wins, inverse, best), torch.where(wins, index, chosen)
    return chosen, best


@pytest.mark.parametrize("chunk", [1 << 19, 700])
def test_visibility_agrees_with_brute_force(monkeypatch, chunk):
    monkeypatch.setitem(module.CANDIDATES, "cpu", chunk)
    vertices, triangles = cloud(40)
    fragments = rasterize(vertices, triangles, 32)
    for image in range(2):
        face, inverse = brute_force(vertices[image], triangles, 32)
        assert (fragments.face[image] != face).float().mean() < 0.005
        same = (fragments.face[image] == face) & (face >= 0)
        torch.testing.assert_close(fragments.depth[image][same].double(), 1 / inverse[same], rtol=1e-4, atol=1e-4)


def test_square_covers_its_pixels_once_and_rows_run_downwards():
    fragments = rasterize(SQUARE[None], HALVES, 8)
    covered = fragments.face[0] >= 0
    assert covered[2:6, 2:6].all() and covered.sum() == 16
    height = interpolate(SQUARE[None, :, 1:2].contiguous(), HALVES, fragments)[0, :, 3, 0]
    torch.testing.assert_close(height[2:6], torch.tensor([0.375, 0.125, -0.125, -0.375]))
    assert torch.equal(fragments.depth[0][~covered], torch.zeros(48))


def test_attributes_are_perspective_correct():
    """On the plane from depth 1 (left) to depth 3 (right) the middle of the picture lies at a quarter of the way."""
    vertices = torch.tensor([[-1.0, -1.0, 1.0], [1.0, -1.0, 3.0], [1.0, 1.0, 3.0], [-1.0, 1.0, 1.0]])
    fragments = rasterize(vertices[None], HALVES, 101)
    share = interpolate(torch.tensor([[0.0], [1.0], [1.0], [0.0]]), HALVES, fragments)
    assert share[0, 50, 50, 0] == pytest.approx(0.25, abs=1e-4)
    assert fragments.depth[0, 50, 50] == pytest.approx(1.5, abs=1e-3)


def test_culling_drops_clockwise_faces_and_depth_drops_those_behind_the_camera():
    assert (rasterize(SQUARE[None], HALVES, 8, cull=True).face >= 0).sum() == 16
    assert (rasterize(SQUARE[None], HALVES.flip(1), 8, cull=True).face >= 0).sum() == 0
    behind = SQUARE.clone()
    behind[0, 2] = -1.0
    assert (rasterize(behind[None], HALVES, 8).face >= 0).sum() == 0


def test_equal_depth_goes_to_the_smaller_index_and_nothing_to_nobody():
    twice = torch.cat([HALVES, HALVES])
    assert rasterize(SQUARE[None], twice, 8).face.max() == 1
    assert rasterize(SQUARE[None] + 5, HALVES, 8).face.max() == -1


def test_gradients_through_barycentrics_agree_with_differences():
    vertices, triangles = cloud(3, batch=1)
    vertices = vertices.double().requires_grad_()
    attributes = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(1)).double()
    face = rasterize(vertices, triangles, 9).face

    def look(moved: torch.Tensor) -> torch.Tensor:
        screen = torch.stack([(moved[..., 0] + 1) * 4.5 - 0.5, (1 - moved[..., 1]) * 4.5 - 0.5, moved[..., 2]], dim=-1)
        fragments = module.Fragments(face, *module._locate(screen, triangles, face))
        return interpolate(attributes, triangles, fragments).sum((1, 2))

    assert torch.autograd.gradcheck(look, (vertices,))


def test_normals_of_a_tetrahedron_point_outward():
    points = torch.tensor([[1.0, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    normals = vertex_normals(points[None], faces)[0]
    torch.testing.assert_close(normals, points / 3**0.5)


@pytest.mark.parametrize("cull", [False, True])
def test_the_compiled_rasteriser_is_the_readable_one(compiled, cull):
    points, triangles = cloud(150)
    points.requires_grad_()
    found = rasterize(points, triangles, 37, cull)
    with native.disabled():
        expected = rasterize(points, triangles, 37, cull)
    assert torch.equal(found.face, expected.face)
    assert (found.face >= 0).float().mean() > 0.5
    assert torch.allclose(found.barycentric, expected.barycentric, atol=1e-5)
    assert torch.allclose(found.depth, expected.depth, atol=1e-5)
    weights = torch.randn_like(found.barycentric), torch.randn_like(found.depth)
    gradients = [
        torch.autograd.grad((fragments.barycentric * weights[0]).sum() + (fragments.depth * weights[1]).sum(), points)[0]
        for fragments in (found, expected)
    ]
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-3 * gradients[1].abs().max().item())


def test_the_compiled_rasteriser_has_second_gradients(compiled):
    points, triangles = cloud(8, batch=1)
    points.requires_grad_()
    depth = rasterize(points, triangles, 9).depth.sum()
    (first,) = torch.autograd.grad(depth, points, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), points)
    with native.disabled():
        depth = rasterize(points, triangles, 9).depth.sum()
    (expected,) = torch.autograd.grad(torch.autograd.grad(depth, points, create_graph=True)[0].square().sum(), points)
    assert torch.allclose(second, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
