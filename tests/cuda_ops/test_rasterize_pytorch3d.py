"""pytorch3d behind our contract: against a stand-in that keeps its documented interface, and against itself where it is installed."""

import sys
import types

import pytest
import torch

from cuda_ops.rasterize import BACKENDS, rasterize
from cuda_ops.rasterize_pytorch3d import available
from tests.cuda_ops.test_rasterize import HALVES, SQUARE, cloud


class Meshes:
    def __init__(self, verts, faces):
        self.verts, self.faces = verts, faces


def rasterize_meshes(
    meshes, image_size, blur_radius, faces_per_pixel, perspective_correct, clip_barycentric_coords, cull_backfaces, z_clip_value=None
):
    """By the documentation: ndc x to the left and y up, top left pixel first, faces counted through the batch, −1 where nothing is seen."""
    assert blur_radius == 0 and faces_per_pixel == 1 and perspective_correct and not clip_barycentric_coords
    shape = (len(meshes.verts), image_size, image_size, 1)
    face, depth = torch.full(shape, -1), torch.full(shape, -1.0)
    weights = torch.full((*shape, 3), -1.0)
    first = 0
    for image, (verts, faces) in enumerate(zip(meshes.verts, meshes.faces, strict=True)):
        for row in range(image_size):
            for column in range(image_size):
                x, y = 1 - (2 * column + 1) / image_size, 1 - (2 * row + 1) / image_size
                for index, corners in enumerate(faces):
                    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = verts[corners].tolist()
                    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                    if area == 0 or (cull_backfaces and area > 0):  # x runs to the left: counter-clockwise on screen is negative
                        continue
                    u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area / az
                    v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area / bz
                    w = ((ax - x) * (by - y) - (ay - y) * (bx - x)) / area / cz
                    near = 1 / (u + v + w) if u + v + w else 0
                    if min(u, v, w) >= 0 and (depth[image, row, column, 0] < 0 or near < depth[image, row, column, 0]):
                        face[image, row, column, 0], depth[image, row, column, 0] = first + index, near
                        weights[image, row, column, 0] = torch.tensor([u, v, w]) * near
        first += len(faces)
    return face, depth, weights, torch.zeros(shape)


@pytest.fixture
def stand_in(monkeypatch):
    parts = ("", ".renderer", ".renderer.mesh", ".renderer.mesh.rasterize_meshes", ".structures")
    names = tuple(f"pytorch3d{part}" for part in parts)
    modules = {name: types.ModuleType(name) for name in names}
    modules[names[3]].rasterize_meshes = rasterize_meshes
    modules[names[4]].Meshes = Meshes
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("cull", [False, True])
def test_both_backends_say_the_same_of_a_cloud(stand_in, cull):
    vertices, triangles = cloud(12)
    vertices[0, triangles[3, 1], 2] = -0.5  # reaches behind the camera: dropped in the first image only
    agree(rasterize(vertices, triangles, 20, cull), rasterize(vertices, triangles, 20, cull, backend="pytorch3d"), 0.99)


def test_rows_run_downwards_and_columns_to_the_right(stand_in):
    corner = SQUARE * torch.tensor([0.5, 0.5, 1.0]) + torch.tensor([0.5, 0.5, 0.0])
    fragments = rasterize(corner[None], HALVES, 8, cull=True, backend="pytorch3d")
    assert (fragments.face[0, :4, 4:] >= 0).sum() == (fragments.face >= 0).sum() == 4
    assert (rasterize(corner[None], HALVES.flip(1), 8, cull=True, backend="pytorch3d").face < 0).all()


def test_unknown_and_absent_backends_are_named():
    with pytest.raises(ValueError, match="there is no rasteriser 'opengl'"):
        rasterize(SQUARE[None], HALVES, 8, backend="opengl")
    if not available():
        with pytest.raises(RuntimeError, match="needs pytorch3d, which cannot be imported"):
            rasterize(SQUARE[None], HALVES, 8, backend="pytorch3d")
    assert BACKENDS == ("ours", "pytorch3d")


@pytest.mark.skipif(not available(), reason="pytorch3d is not installed")
@pytest.mark.parametrize("cull", [False, True])
def test_parity_with_pytorch3d_on_a_mesh(cull):
    from benchmarks.rasterizer import ball, turned

    points, triangles = ball(20_000)
    vertices = turned(points, 2).requires_grad_()
    ours = rasterize(vertices, triangles, 128, cull)
    theirs = rasterize(vertices, triangles, 128, cull, backend="pytorch3d")
    agree(ours, theirs, 0.999)
    grads = [torch.autograd.grad(fragments.depth.sum(), vertices)[0] for fragments in (ours, theirs)]
    torch.testing.assert_close(grads[0].norm(), grads[1].norm(), rtol=0.02, atol=1e-3)


def agree(ours, theirs, share):
    covered = (ours.face >= 0) | (theirs.face >= 0)
    same = (ours.face == theirs.face) & covered
    assert covered.sum() > 20 and same.sum() >= share * covered.sum()
    torch.testing.assert_close(theirs.depth[same], ours.depth[same], atol=1e-4, rtol=1e-6)
    torch.testing.assert_close(theirs.barycentric[same], ours.barycentric[same], atol=2e-3, rtol=1e-3)
    assert (theirs.depth[theirs.face < 0] == 0).all() and (theirs.barycentric[theirs.face < 0] == 0).all()
