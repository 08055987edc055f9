import pytest
import torch

from cddfm.controls import Controls
from cddfm.evaluation.sweeps import EXPRESSION_TARGETS, GAZE, Slot, edits_of, expression_sweeps, make_plan, sweeps_of
from cddfm.head import build_head
from cddfm.params import FaceParams


@pytest.fixture(scope="module")
def head():
    return build_head().model


@pytest.fixture(scope="module")
def plan(head) -> list[Slot]:
    return make_plan(head, 500)


def slot_of(plan: list[Slot], name: str) -> Slot:
    return next(slot for slot in plan if any(sweep.name == name for sweep in slot.sweeps))


def test_every_named_expression_is_asked_once(head) -> None:
    names = [sweep.name for sweep in expression_sweeps(head, Controls(head))]
    assert len(names) == len(set(names)) == 32
    assert set(GAZE) < set(names)
    covered = {name.removesuffix("_L").removesuffix("_R") for name in head.expression_names if not name.startswith("eyeLook")}
    assert covered == set(names) - set(GAZE)


def test_faces_take_values_and_names_by_turn(head, plan) -> None:
    params = FaceParams.neutral(head.layout, 9)
    yaw = slot_of(plan, "yaw")
    degrees = [round(float(value)) for value in yaw.asks(params, 0, 0)[0].deltas[:, 1].rad2deg()]
    assert degrees == [-20, 20, -45, 45, -30, 30, -10, 10, -20]
    assert round(float(yaw.asks(params, 5, 0)[0].deltas[0, 1].rad2deg())) == 30
    expressions = slot_of(plan, "jawOpen")
    taken = [(name, k) for k in range(32) for ask in expressions.asks(params[:1], k, 0) for name in ask.controls]
    assert len({name for name, _ in taken}) == 32
    assert len(taken) == 96
    assert edits_of(plan) == 9


def test_few_faces_take_all_names(head) -> None:
    plan = make_plan(head, 4)
    asked = {name for ask in slot_of(plan, "smile" if "smile" in head.expression_names else "mouthSmile").asks(
        FaceParams.neutral(head.layout, 4), 0, 0) for name in ask.controls}  # fmt: skip
    assert len(asked) == 32


def test_expressions_are_set_not_added(head, plan) -> None:
    params = FaceParams.neutral(head.layout, 1)
    params = params.replace(expression=torch.full_like(params.expression, 0.3))
    jaw = next(sweep for sweep in sweeps_of(plan) if sweep.name == "jawOpen")
    index = head.expression_names.index("jawOpen")
    assert [round(float(jaw.request(params, value, 0)[0, index]), 3) for value in EXPRESSION_TARGETS] == [0.7, 0.2, -0.3]


def test_gaze_turns_both_eyes_and_ends_the_opposite(head, plan) -> None:
    params = FaceParams.neutral(head.layout, 1)
    params = params.replace(expression=torch.full_like(params.expression, 0.3))
    left = next(sweep for sweep in sweeps_of(plan) if sweep.name == "gazeLeft").request(params, 1.0, 0)[0]
    found = {name: round(float(left[k]), 3) for k, name in enumerate(head.expression_names) if left[k] != 0}
    assert found == {"eyeLookOut_L": 0.7, "eyeLookIn_R": 0.7, "eyeLookIn_L": -0.3, "eyeLookOut_R": -0.3}


def test_directions_are_unit_and_belong_to_the_face(head, plan) -> None:
    params = FaceParams.neutral(head.layout, 4)
    slot = slot_of(plan, "identity")
    deltas = slot.asks(params, 0, 7)[0].deltas
    assert torch.allclose(deltas.norm(dim=1), torch.tensor([2.0, 2.0, 1.0, 1.0]))
    assert torch.equal(deltas[2:3], slot.asks(params[2:3], 2, 7)[0].deltas)
