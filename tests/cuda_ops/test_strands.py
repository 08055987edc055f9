from dataclasses import fields

import pytest
import torch

from cuda_ops import native
from cuda_ops import strands as module
from cuda_ops.strands import draw_strands

pytestmark = pytest.mark.usefixtures("implementation")


def one(start: tuple[float, ...], end: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(start)[:, None, None], torch.tensor(end)[:, None, None]


def shown(segments: int) -> torch.Tensor:
    return torch.ones(1, segments, dtype=torch.bool)


def test_a_thin_hair_is_an_unbroken_line_with_its_places():
    start, end = one((-0.5, 0.0, 2.0), (0.5, 0.0, 4.0))
    seen = draw_strands(start, end, shown(1), torch.zeros(1, 1), 16)
    assert seen.column.tolist() == list(range(4, 12)) or seen.column.tolist() == list(range(3, 12))
    assert seen.row.unique().numel() == 1 and (seen.segment == 0).all()
    assert (seen.along.diff() > 0).all() and (seen.depth.diff() > 0).all() and seen.across.abs().max() < 0.05


def test_a_wide_lock_fills_its_width_and_stands_out_in_the_middle():
    start, end = one((-0.9, 0.3, 3.0), (0.9, -0.5, 3.0))
    seen = draw_strands(start, end, shown(1), torch.full((1, 1), 0.4), 64, relief=0.5)
    assert 0.85 < len(seen.row) / (0.4 * 32 * (1.8**2 + 0.8**2) ** 0.5 * 32) < 1.15
    middle = seen.across.abs() < 0.2
    assert seen.depth[middle].mean() < seen.depth[~middle].mean() and seen.across.min() < -0.8 and seen.across.max() > 0.8


def test_the_nearest_wins_and_ties_go_to_the_larger_index():
    starts = torch.tensor([[[-0.5, -0.5, -0.5]], [[0.0, 0.0, 0.0]], [[3.0, 2.0, 2.0]]])
    ends = starts.clone()
    ends[0] = 0.5
    assert (draw_strands(starts, ends, shown(3), torch.zeros(1, 3), 16).segment == 2).all()
    assert (draw_strands(starts, ends, torch.tensor([[True, True, False]]), torch.zeros(1, 3), 16).segment == 1).all()


def test_hidden_distant_and_too_many_strands():
    start, end = one((2.0, 2.0, 1.0), (3.0, 3.0, 1.0))
    assert len(draw_strands(start, end, shown(1), torch.zeros(1, 1), 16).row) == 0
    start, end = one((0.0, 0.0, -1.0), (0.1, 0.1, -1.0))
    assert len(draw_strands(start, end, shown(1), torch.zeros(1, 1), 16).row) == 0
    with pytest.raises(ValueError, match="draw fewer or shorter strands"):
        many = torch.zeros(3, 1, module.MOST_SEGMENTS + 1)
        draw_strands(many, many, shown(module.MOST_SEGMENTS + 1), many[0], 16)


def test_nothing_depends_on_chunks_or_company(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    starts, ends = (torch.rand(3, 2, 50, generator=generator) * 2 - 1 for _ in range(2))
    starts[2], ends[2] = starts[2] + 3, ends[2] + 3
    grown, width = torch.ones(2, 50, dtype=torch.bool), torch.full((2, 50), 0.1)
    whole = draw_strands(starts, ends, grown, width, 32)
    monkeypatch.setitem(module.SAMPLES, "cpu", 100)
    parts = draw_strands(starts, ends, grown, width, 32)
    alone = draw_strands(starts[:, 1:], ends[:, 1:], grown[1:], width[1:], 32)
    of_second = whole.image == 1
    for name in ("row", "column", "segment", "along", "across", "depth"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))
        assert torch.equal(getattr(whole, name)[of_second], getattr(alone, name))


@pytest.mark.parametrize("most", [0.0, 0.3])
def test_compiled_and_torch_code_draw_the_same(compiled, most):
    generator = torch.Generator().manual_seed(1)
    starts, ends = (torch.rand(3, 3, 400, generator=generator) * 3 - 1.5 for _ in range(2))
    ends = starts + 0.2 * ends
    starts[2], ends[2] = starts[2] + 1.2, ends[2] + 1.2  # some behind the camera, some outside the picture
    grown, width = torch.rand(3, 400, generator=generator) < 0.9, most * torch.rand(3, 400, generator=generator)
    drawn = draw_strands(starts, ends, grown, width, 48, relief=0.2)
    with native.disabled():
        expected = draw_strands(starts, ends, grown, width, 48, relief=0.2)
    assert len(expected.row) > 1000
    for field in fields(expected):
        assert torch.equal(getattr(drawn, field.name), getattr(expected, field.name)), field.name
