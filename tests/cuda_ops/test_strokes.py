from dataclasses import replace

import pytest
import torch

from cuda_ops import native
from cuda_ops.strokes import Strokes, lay_strokes

pytestmark = pytest.mark.usefixtures("implementation")

CELLS, SIZE = 12, 48


@pytest.fixture
def strokes() -> Strokes:
    generator = torch.Generator().manual_seed(6)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, CELLS, CELLS, generator=generator)

    cell = torch.arange(CELLS) + 0.5
    row, column = torch.meshgrid(cell, cell, indexing="ij")
    centre = (torch.stack([column, row]) + 0.6 * (some(2) - 0.5)) / CELLS
    return Strokes(some(2, 3), 6 * some(2), some(2) < 0.7, centre, some(), some(), 3.0, 1.2, 0.9)


@pytest.fixture
def ground() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((2, 3, SIZE, SIZE), 0.5), torch.full((2, 1, SIZE, SIZE), -1.0)


def test_one_stroke_lies_along_its_heading_over_the_ground(strokes, ground):
    only = torch.zeros(2, CELLS, CELLS, dtype=torch.bool)
    only[0, 6, 6] = True
    level = replace(strokes, drawn=only, heading=torch.zeros(2, CELLS, CELLS), colour=torch.ones(2, 3, CELLS, CELLS))
    painted, height = lay_strokes(*ground, level)
    assert torch.equal(painted[1], ground[0][1]) and torch.equal(height[1], ground[1][1])
    row, column = (height[0, 0] > -1).nonzero(as_tuple=True)
    assert (column.max() - column.min()) > 1.5 * (row.max() - row.min()) > 0
    assert painted[0].max() > 0.85 and painted[0].min() == 0.5


def test_the_higher_rank_lies_on_top(strokes, ground):
    two = torch.zeros(2, CELLS, CELLS, dtype=torch.bool)
    two[:, 6, 6:8] = True
    colour = torch.zeros(2, 3, CELLS, CELLS)
    colour[..., 7] = 1.0
    rank = torch.zeros(CELLS, CELLS)
    for above in (6, 7):
        rank[6, 6:8] = torch.tensor([0.2 + 0.5 * (above == 6), 0.2 + 0.5 * (above == 7)])
        heading, centre = torch.zeros(2, CELLS, CELLS), torch.full((2, CELLS, CELLS), 0.54)
        same = replace(strokes, drawn=two, colour=colour, rank=rank, heading=heading, centre=centre)
        painted, _ = lay_strokes(*ground, same)
        assert painted[0, 0, 26, 26] == pytest.approx(0.05 if above == 6 else 0.95, abs=0.05)


def test_nothing_depends_on_company(strokes, ground):
    painted, height = lay_strokes(*ground, strokes)
    alone = replace(strokes, colour=strokes.colour[1:], heading=strokes.heading[1:], drawn=strokes.drawn[1:])
    one, relief = lay_strokes(ground[0][1:], ground[1][1:], alone)
    assert torch.equal(one[0], painted[1]) and torch.equal(relief[0], height[1])


def test_compiled_and_torch_code_agree(compiled, strokes, ground):
    drawn = lay_strokes(*ground, strokes)
    with native.disabled():
        expected = lay_strokes(*ground, strokes)
    for one, other in zip(drawn, expected, strict=True):
        assert ((one - other).abs() > 1e-4).float().mean() < 1e-3 and 0.1 < (other != other[0, 0, 0, 0]).float().mean()
