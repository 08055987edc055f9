import pytest
import torch

from cuda_ops import native
from cuda_ops.rasterize import rasterize, vertex_normals, visible_faces
from cuda_ops.surface import SurfacePixels, sample_surface

pytestmark = pytest.mark.usefixtures("implementation")

SIZE, KINDS = 24, 4


@pytest.fixture
def mesh() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vertices of two images, triangles and their kinds; kind 2 has none."""
    generator = torch.Generator().manual_seed(3)
    vertices = torch.rand(2, 90, 3, generator=generator) * torch.tensor([2.4, 2.4, 3.0]) + torch.tensor([-1.2, -1.2, 2.0])
    return vertices, torch.arange(90).view(30, 3), torch.tensor([0, 1, 3]).repeat(10)


def draw(mesh: tuple[torch.Tensor, torch.Tensor, torch.Tensor], attributes: torch.Tensor) -> SurfacePixels:
    vertices, triangles, kind = mesh
    return sample_surface(vertices, triangles, visible_faces(vertices, triangles, SIZE), kind, KINDS, attributes)


def test_pixels_are_listed_by_kind_and_place(mesh):
    vertices, triangles, kind = mesh
    seen = draw(mesh, vertices.permute(2, 0, 1))
    face = visible_faces(vertices, triangles, SIZE)
    assert seen.starts[0] == 0 and seen.starts[2] == seen.starts[3] and seen.starts[-1] == int((face >= 0).sum()) == len(seen.depth) > 100
    place = (seen.image * SIZE + seen.row) * SIZE + seen.column
    for number in range(KINDS):
        part = slice(seen.starts[number], seen.starts[number + 1])
        assert (kind[face.flatten()[place[part]]] == number).all() and (place[part].diff() > 0).all()


def test_attributes_and_depth_are_those_of_the_rasteriser(mesh):
    vertices, triangles, _ = mesh
    values = torch.rand(5, 2, 90, generator=torch.Generator().manual_seed(4))
    seen = draw(mesh, values)
    fragments = rasterize(vertices, triangles, SIZE)
    at = seen.image, seen.row, seen.column
    torch.testing.assert_close(seen.depth, fragments.depth[at])
    corners = values[:, seen.image.unsqueeze(1), triangles[fragments.face[at]]]
    torch.testing.assert_close(seen.attributes, (corners * fragments.barycentric[at]).sum(-1), atol=1e-5, rtol=1e-5)


def test_an_empty_picture_has_no_pixels(mesh):
    vertices, triangles, kind = mesh
    face = torch.full((2, SIZE, SIZE), -1)
    seen = sample_surface(vertices, triangles, face, kind, KINDS, vertices.permute(2, 0, 1))
    assert seen.starts == (0,) * (KINDS + 1) and seen.attributes.shape == (3, 0)


def test_compiled_and_torch_code_agree(compiled, mesh):
    vertices, triangles, _ = mesh
    values = torch.rand(12, 2, 90, generator=torch.Generator().manual_seed(5))
    drawn, normals = draw(mesh, values), vertex_normals(vertices, triangles % 40)
    with native.disabled():
        expected, expected_normals = draw(mesh, values), vertex_normals(vertices, triangles % 40)
    assert drawn.starts == expected.starts
    for name in ("image", "row", "column", "attributes", "depth"):
        assert torch.equal(getattr(drawn, name), getattr(expected, name)), name
    torch.testing.assert_close(normals, expected_normals, atol=1e-6, rtol=0)
