"""Editor stages: targets change what they say they change; training closes the loop and raises the gain."""

import pytest
import torch

from cddfm.blocks import style_layers
from cddfm.errors import UserError
from cddfm.manipulator import Manipulator
from cddfm.params import ATTRIBUTES, GROUPS
from cddfm.predictor import Predictor
from cddfm.stages.augment import Strength
from cddfm.stages.editor import CHECK_EVERY, ManipulatorStage, PredictorStage, estimator_lessons
from cddfm.stages.sampling import measure_population, mixed_styles
from tests.cddfm.standins import SIZES


@pytest.fixture
def parts(egg, tiny_generator, tiny_estimator):
    torch.manual_seed(0)
    layout = tiny_generator.style_layout
    selection = {name: [layer.name for layer in layout.layers if not layer.is_torgb] for name in ATTRIBUTES}
    population = measure_population(tiny_generator, tiny_estimator, 64)
    shared = {
        "generator": tiny_generator, "estimator": tiny_estimator, "model": egg, "population": population, "batch": 8,
        "predictor": Predictor(layout.style_dim, SIZES, (32,)),
    }  # fmt: skip
    return shared, Manipulator(style_layers(layout), selection, SIZES, hidden=16)


def run(stage, total):
    """Four batches in turn, again and again."""
    batches = [position // stage.batch % 4 for position in range(0, total, stage.batch)]
    return [stage.step(index * stage.batch, torch.Generator().manual_seed(batch)) for index, batch in enumerate(batches)]


def mean(reports, name):
    return sum(float(report[name]) for report in reports) / len(reports)


def predictor_stage(shared, **options):
    """The stage on the estimator's lessons."""
    lessons = estimator_lessons(shared["generator"], shared["estimator"])
    kept = {name: shared[name] for name in ("predictor", "model", "population", "batch")}
    return PredictorStage(lessons=lessons, total_images=400, **kept, **options)


def test_predictor_learns(parts):
    reports = run(predictor_stage(parts[0], learning_rate=1e-2), 400)
    assert mean(reports[-4:], "loss") < 0.5 * mean(reports[:4], "loss")


def test_a_collapsed_predictor_stops_training(parts):
    stage = predictor_stage(parts[0], learning_rate=0.0, check_after=0)
    with pytest.raises(UserError, match="collapsed"):
        run(stage, (CHECK_EVERY + 1) * stage.batch)


def test_targets_change_the_edited_groups_only(parts, tiny_generator, tiny_estimator):
    shared, manipulator = parts
    stage = ManipulatorStage(manipulator=manipulator, total_images=80, **shared)
    with torch.no_grad():
        params = tiny_estimator(tiny_generator.synthesise(mixed_styles(tiny_generator, 64, torch.Generator().manual_seed(1))))
    target, edited = stage.wanted(params, torch.Generator().manual_seed(2))
    changed = torch.stack([(getattr(target, group) != getattr(params, group)).any(dim=1) for group in GROUPS], dim=1)
    assert torch.equal(changed, edited)
    assert edited[:, GROUPS.index("translation")].sum() == 0
    assert edited.sum(dim=1).tolist().count(2) > 0
    assert (target.pose != params.pose).sum(dim=1).eq(1).any()


def test_manipulators_learn_through_the_picture(parts, tiny_generator):
    shared, manipulator = parts
    weights = {"style_weight": 0.0, "outside_weight": 0.1, "learning_rate": 1e-2, "clean": 0.75, "strength": Strength(*[0.0] * 10)}
    stage = ManipulatorStage(manipulator=manipulator, total_images=320, mask_resolution=16, **weights, **shared)
    before = {name: tensor.clone() for name, tensor in tiny_generator.state_dict().items()}
    reports = run(stage, 320)
    assert mean(reports[-4:], "loss") < 0.8 * mean(reports[:4], "loss")
    assert mean(reports[-4:], "gain_pose") > mean(reports[:4], "gain_pose") + 0.1
    assert {"gain_pose", "gain_light", "leakage", "style", "outside"} <= reports[0].keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_generator.state_dict().items())
