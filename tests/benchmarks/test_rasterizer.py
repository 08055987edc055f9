"""The rasteriser's benchmark: its mesh, its rows, its goals."""

import pytest

from benchmarks.rasterizer import ball, judge, measure
from cuda_ops.rasterize import OURS, vertex_normals


def test_the_mesh_has_the_size_asked_for_and_looks_outwards():
    points, triangles = ball(2000)
    assert len(triangles) == pytest.approx(2000, rel=0.05)
    used = triangles.unique()
    normals = vertex_normals(points[None], triangles)[0]
    assert ((normals * points).sum(-1)[used][70:-70] > 0).all()


def test_rows_tell_times_and_agreement():
    rows = measure(*ball(300), batch=2, resolution=16, rounds=1, seconds=0.0)
    assert {row["backend"] for row in rows} >= {OURS}
    assert all(row["forward_ms"] > 0 and row["backward_ms"] > 0 and row["same_face"] > 0.99 for row in rows)


def test_goals_are_judged_per_picture():
    def row(batch, forward, backward):
        return {"backend": OURS, "batch": batch, "forward_ms": forward, "backward_ms": backward}

    assert judge([row(1, 8.0, 4.0), row(8, 66.0, 30.0)]) == {"forward_ms": True, "backward_ms": True, "batch_ratio": True}
    assert judge([row(1, 12.0, 4.0), row(8, 160.0, 40.0)]) == {"forward_ms": False, "backward_ms": True, "batch_ratio": False}
