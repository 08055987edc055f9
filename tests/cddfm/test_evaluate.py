import json
import math
from pathlib import Path

import pytest
import torch

from cddfm.controls import Controls
from cddfm.edit import METHODS
from cddfm.evaluate import _edits_by_turn, draw_examples, evaluate, sweeps, write_report
from cddfm.head import build_head
from cddfm.params import FaceParams
from cddfm.stack import Stack


def test_every_domain_method_and_control_is_scored(tiny_stack: Path, tmp_path: Path) -> None:
    stack = Stack(tiny_stack)
    scores = evaluate(stack, faces=4)
    controls = {score.control for score in scores}
    assert {"yaw", "pitch", "roll", "jawOpen", "azimuth", "identity", "albedo"} <= controls
    assert len(scores) == 2 * len(METHODS) * len(controls)
    for score in scores:
        assert math.isfinite(score.gain)
        assert score.target_error >= 0
        assert (score.pose_leakage_degrees["yaw"] is None) == (score.control == "yaw")
        assert (score.leakage["identity"] is None) == (score.control == "identity")
    write_report(tmp_path / "evaluation.json", stack, scores, 4, 0)
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert report["judge"]["arguments"]["architecture"] == "plain"
    assert report["faces"] == 4
    assert len(report["scores"]) == len(scores)
    assert min(draw_examples(stack, domains=["toon"]).size) > 500


def test_the_judge_alone_judges(tiny_stack: Path) -> None:
    """Without the estimator's file, evaluation still runs."""
    stack = Stack(tiny_stack)
    evaluate(stack, faces=2, domains=["portrait"])
    assert "estimator" not in vars(stack)


def test_faces_do_not_depend_on_the_batch(tiny_stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(tiny_stack)
    together = evaluate(stack, faces=5, domains=["toon"])
    monkeypatch.setattr("cddfm.evaluate.BATCH", 2)
    for one, other in zip(together, evaluate(stack, faces=5, domains=["toon"]), strict=True):
        assert one.gain == pytest.approx(other.gain, rel=1e-2, abs=1e-4)
        assert one.target_error == pytest.approx(other.target_error, rel=1e-2, abs=1e-4)


def test_faces_take_turns_with_the_values_of_a_sweep() -> None:
    model = build_head().model
    params = FaceParams.neutral(model.layout, 3)
    yaw = next(sweep for sweep in sweeps(Controls(model), 0) if sweep.name == "yaw")
    degrees = [_edits_by_turn(yaw, params, 0, turn)["pose"][:, 1].rad2deg().round().tolist() for turn in range(2)]
    assert degrees == [[-20, -10, 10], [-10, 10, 20]]
    assert _edits_by_turn(yaw, params, 5, 0)["pose"][0, 1].rad2deg().round() == -10


def test_expressions_are_set_not_added() -> None:
    model = build_head().model
    params = FaceParams.neutral(model.layout, 2)
    params = params.replace(expression=torch.full_like(params.expression, 0.3))
    jaw = next(sweep for sweep in sweeps(Controls(model), 0) if sweep.name == "jawOpen")
    index = model.expression_names.index("jawOpen")
    assert [round(float(edit(params, 0)["expression"][0, index]), 3) for edit in jaw.edits] == [-0.3, 0.2, 0.7]
