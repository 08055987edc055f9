"""What goes in comes out: pictures of known parameters, by landmarks and pixels alone."""

import pytest
import torch

from cddfm.fit import LEVELS, Fit, fit, levels, rounds
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.render import render
from cddfm.world import draw, sample_codes, scene
from cddfm.worlds import ProceduralWorld

SIDE = 96
DEGREE = torch.pi / 180


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return ProceduralWorld().model


@pytest.fixture(scope="module")
def worlds():
    """Six people: portraits, and their parameters."""
    drawn = scene(sample_codes(range(100, 106)))
    return draw(drawn, SIDE), drawn.params


def shape_error(model: MorphableModel, found: FaceParams, truth: FaceParams) -> float:
    """Mean distance of the skin's vertices over the inter-ocular distance, nothing being aligned."""
    ours, theirs = (model.vertices(params.identity, params.expression)[0] for params in (found, truth))
    eyes = (theirs[model.landmarks[36]] - theirs[model.landmarks[45]]).norm()
    return float((ours - theirs)[model.skin].norm(dim=1).mean() / eyes)


def pose_error(found: FaceParams, truth: FaceParams) -> float:
    return float((found.pose - truth.pose).abs().max() / DEGREE)


def test_a_world_portrait(model, worlds):
    portraits, params = worlds
    found = fit(model, portraits.image[:1], portraits.landmarks[0])
    assert pose_error(found.params, params[:1]) < 1.0
    assert shape_error(model, found.params, params[:1]) < 0.02
    assert found.landmark_error < 0.01


def test_pixels_tell_more_than_landmarks(model, worlds):
    """A plain render of the model, landmarks off by a pixel: shape, pose, skin and light come nearer with pixels."""
    _, params = worlds
    truth = params[1:2]
    drawn = render(model, truth, SIDE, supersample=2)
    noise = torch.randn(68, 2, generator=torch.Generator().manual_seed(0)) * 2 / SIDE
    blind = fit(model, drawn.image, drawn.landmarks[0] + noise, mask=torch.zeros(1, 1, SIDE, SIDE))
    seeing = fit(model, drawn.image, drawn.landmarks[0] + noise)
    assert shape_error(model, seeing.params, truth) < 0.8 * shape_error(model, blind.params, truth)
    assert seeing.colour_error < 0.012
    again = render(model, seeing.params, SIDE)
    both = (again.mask > 0) & (drawn.mask == 1)
    assert ((again.image - drawn.image).abs() * both).sum() / (3 * both.sum()) < 0.04


def test_unknown_landmarks_are_done_without(model, worlds):
    portraits, params = worlds
    partial = portraits.landmarks[2].clone()
    partial[:17] = torch.nan
    found = fit(model, portraits.image[2:3], partial)
    assert found.params.flatten().isfinite().all() and pose_error(found.params, params[2:3]) < 3.0


def test_without_landmarks_it_starts_from_an_estimate(model, worlds):
    portraits, params = worlds
    start = params[3:4].replace(pose=params[3:4].pose + 1 * DEGREE)
    found = fit(model, portraits.image[3:4], start=start)
    assert found.landmark_error is None and pose_error(found.params, params[3:4]) < 3.0
    with pytest.raises(ValueError, match="landmarks or parameters"):
        fit(model, portraits.image[:1])


def test_progress_runs_to_its_end_and_the_result_is_the_same_every_time(model, worlds):
    portraits, _ = worlds
    seen: list[int] = []

    def run() -> Fit:
        small = torch.nn.functional.interpolate(portraits.image[:1], (48, 48), mode="bilinear", antialias=True, align_corners=False)
        return fit(model, small, portraits.landmarks[0], on_step=lambda position, facts: seen.append(position))

    one, two = run(), run()
    assert seen[-1] == rounds(48) and seen == sorted(seen[: len(seen) // 2]) * 2
    assert torch.equal(one.params.flatten(), two.params.flatten())
    assert levels(224) == list(LEVELS) and levels(48)[0][0] == 48


@pytest.mark.slow
def test_the_goal_on_every_portrait(model, worlds):
    portraits, params = worlds
    found = [fit(model, portraits.image[i : i + 1], portraits.landmarks[i]).params for i in range(len(params))]
    shapes = [shape_error(model, each, params[i : i + 1]) for i, each in enumerate(found)]
    poses = [pose_error(each, params[i : i + 1]) for i, each in enumerate(found)]
    assert sum(shapes) / len(shapes) < 0.015 and sorted(shapes)[-2] < 0.02
    assert max(poses) < 1.0
