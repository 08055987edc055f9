"""The plain world of loaded models: what is drawn, and that it is the same for the same codes."""

import numpy as np
import pytest
import torch

from cddfm.data import draw_pool
from cddfm.head import build_head
from cddfm.morphable import meshes
from cddfm.morphable_world import CAVITY, EYE_RINGS, EYE_SPOKES, MorphableWorld, Stage
from cddfm.params import FaceParams
from cddfm.world import sample_codes
from cddfm.worlds import MODEL_FILE, ProceduralWorld, adopt, world_of
from tests.cddfm.morphable.conftest import *  # noqa: F403  (the models, read once)


@pytest.fixture(params=["surrey", "flame", "deep3d"])
def world(request):
    return MorphableWorld(request.getfixturevalue(request.param))


def test_portraits_follow_their_codes_alone(world):
    codes = sample_codes(range(3))
    together, params = world.portraits(codes, 24, "portrait")
    alone, _ = world.portraits(codes[1:2], 24, "portrait")
    assert torch.allclose(together[1:2], alone, atol=1e-5)
    assert params.layout == world.model.layout and together.shape == (3, 3, 24, 24)
    assert -1 <= together.min() and together.max() <= 1


def test_pose_and_light_are_those_of_the_procedural_world(world):
    codes = sample_codes(range(4))
    ours, theirs = world.params(codes), ProceduralWorld().portraits(codes, 16, "portrait")[1]
    assert torch.equal(ours.pose, theirs.pose) and torch.equal(ours.light, theirs.light)


def test_expressions_vary_in_every_model(world):
    params = world.params(sample_codes(range(64)))
    jaws = (params.expression @ world.model.expression_basis[:, world.model.landmarks[57]])[:, 1]
    assert jaws.std() > 0.1 and jaws.min() < -0.5


def test_the_face_covers_the_middle_and_the_backdrop_the_corners(world):
    params = FaceParams.neutral(world.model.layout, 1)
    drawn = world.draw(params, 32)
    assert drawn.mask[0, 0, 14:24, 12:20].mean() > 0.8 and drawn.mask[0, 0, :2, :2].max() == 0
    assert drawn.landmarks.abs().max() < 1


def test_open_lids_get_eyeballs_and_an_open_mouth_a_cavity(surrey, flame):
    for model, eyes in ((surrey, True), (flame, False)):
        stage = Stage.of(model)
        assert stage.eyes == eyes
        extra = (2 * EYE_RINGS * EYE_SPOKES if eyes else 0) + len(stage.cavity) * len(CAVITY)
        points = stage.vertices(FaceParams.neutral(model.layout, 1))
        assert points.shape[1] == len(model.mean) + extra == int(stage.triangles.max()) + 1


def test_a_loop_runs_so_that_a_band_continues_the_surface():
    square = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    (loop,) = meshes.border_loops(square)
    assert [tuple(pair) for pair in zip(loop, np.roll(loop, -1), strict=True)] == [
        (a, b) for a, b in zip(loop, np.roll(loop, -1), strict=True) if (b, a) in {(0, 1), (1, 2), (2, 3), (3, 0)}
    ]


def test_toon_is_another_picture_of_the_same_face(world):
    codes = sample_codes(range(2))
    plain, toon = (world.portraits(codes, 24, style)[0] for style in ("portrait", "toon"))
    assert (plain - toon).abs().mean() > 0.01
    with pytest.raises(ValueError, match="no style"):
        world.portraits(codes, 24, "crayon")


def test_pools_of_two_models_share_no_cache(surrey, deep3d, tmp_path):
    for model in (surrey, deep3d):
        pool = draw_pool("portrait", 4, 16, "cpu", tmp_path, world=MorphableWorld(model))
        assert pool.params.shape == (4, model.layout.total)
    assert len({path.parent for path in tmp_path.rglob("*.pt")}) == 2


def test_a_stack_keeps_its_model(surrey, deep3d, tmp_path):
    from cddfm.errors import UserError
    from cddfm.morphable import save_model

    save_model(tmp_path / "one.safetensors", surrey)
    save_model(tmp_path / "two.safetensors", deep3d)
    stack = tmp_path / "stack"
    assert world_of(stack).model is build_head().model
    adopt(stack, tmp_path / "one.safetensors")
    adopt(stack, tmp_path / "one.safetensors")
    assert (stack / MODEL_FILE).is_file() and world_of(stack).model.layout == surrey.layout
    with pytest.raises(UserError, match="another model"):
        adopt(stack, tmp_path / "two.safetensors")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "generator.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="belongs to the built-in head"):
        adopt(tmp_path / "old", tmp_path / "one.safetensors")
