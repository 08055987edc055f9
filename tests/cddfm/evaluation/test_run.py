import json
from pathlib import Path

import pytest
import torch

from cddfm.evaluation.document import document, write_document
from cddfm.evaluation.goals import goals
from cddfm.evaluation.picture import draw_evaluation
from cddfm.evaluation.run import Evaluation, Request, evaluate
from cddfm.evaluation.tables import show_evaluation, write_tables
from tests.cddfm.evaluation.standins import Moves, SpelledStack

DOMAINS = ("portrait", "toon")


def run(folder: Path, methods: dict[str, Moves], faces: int = 24, strength: float = 1.0, **changes) -> Evaluation:
    """Without inversions, which stand-ins cannot do."""
    options = {"methods": tuple(methods), "domains": DOMAINS, "faces": faces, "seed": 5, "cache": folder, "steps": None}
    request = Request(**options | changes)
    return evaluate(SpelledStack(folder, strength), methods, request)


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Evaluation:
    model = SpelledStack(Path()).model
    methods = {"stylerig": Moves(model, share=0.5, spill=0.4), "nothing": Moves(model, share=0.0), "cddfm": Moves(model)}
    return run(tmp_path_factory.mktemp("compared"), methods)


def of(found: Evaluation, method: str, domain: str = "portrait") -> dict:
    return {s.measured.control: s for s in found.scores if (s.method, s.domain) == (method, domain)}


def test_a_perfect_editor_has_gain_one_and_leaks_nothing(compared: Evaluation) -> None:
    scores = of(compared, "cddfm")
    assert set(scores) == {"yaw", "pitch", "roll", "jawOpen", "smile", "blink", "azimuth", "identity", "albedo"}
    for score in scores.values():
        measured = score.measured
        assert measured.gain == pytest.approx(1, abs=1e-3)
        assert measured.target_error == pytest.approx(0, abs=1e-3)
        assert measured.leaked == pytest.approx(0, abs=1e-3)
        assert measured.extras["ssim_outside"] == pytest.approx(1, abs=0.2)
        assert measured.extras["round_trip_code"] == pytest.approx(0, abs=1e-4)
        assert measured.extras["round_trip_picture"] == pytest.approx(0, abs=1e-5)
    assert scores["yaw"].measured.extras["identity"] == pytest.approx(1, abs=1e-4)
    assert scores["identity"].measured.extras["identity"] < 0.9
    assert scores["yaw"].measured.details["error_at_20"] == pytest.approx(0, abs=0.01)


def test_an_editor_that_does_nothing_has_gain_nothing(compared: Evaluation) -> None:
    for score in of(compared, "nothing").values():
        assert score.measured.gain == pytest.approx(0, abs=1e-6)
        assert score.measured.target_error > 0
        assert score.measured.extras["round_trip_code"] is None


def test_what_spills_is_leakage(compared: Evaluation) -> None:
    yaw = of(compared, "stylerig")["yaw"].measured
    assert yaw.gain == pytest.approx(0.5, abs=1e-3)
    assert yaw.leakage["albedo"] > 0.1
    assert yaw.leakage["light"] == pytest.approx(0, abs=1e-3)
    assert yaw.pose_leakage_degrees["yaw"] is None
    scores = {(row.method, row.attribute): row.score for row in compared.disentangled if row.domain == "portrait"}
    assert scores["cddfm", "pose"] > scores["stylerig", "pose"] > 0


def test_the_judge_is_measured_on_true_changes(tmp_path: Path) -> None:
    """A judge that sees seven tenths of everything says 0.7 of a perfect edit; its own slope corrects that, up to 8-bit pictures."""
    methods = {"cddfm": Moves(SpelledStack(Path()).model)}
    scores = of(run(tmp_path, methods, strength=0.7, domains=("portrait",)), "cddfm")
    assert scores["yaw"].measured.gain == pytest.approx(0.7, abs=1e-3)
    assert scores["yaw"].judge_slope == pytest.approx(0.7, abs=0.05)
    assert scores["identity"].share == pytest.approx(1, abs=0.05)
    blind = of(run(tmp_path, methods, strength=0.2, domains=("portrait",)), "cddfm")["identity"]
    assert blind.judgeable is False
    assert blind.share is None


def test_the_goals_are_met_by_the_perfect_editor_alone(compared: Evaluation) -> None:
    found = {goal.name: goal for goal in goals(compared.scores, compared.request.methods, "cddfm")}
    assert len(found) == 20
    assert all(goal.met for name, goal in found.items() if "albedo" not in name)
    assert found["leakage of albedo edits / stylerig's"].met is None, "nothing leaks, out of nothing"
    assert found["gain, pitch"].values["stylerig"] == pytest.approx(0.5, abs=1e-3)
    assert found["leakage of pose edits / stylerig's"].values["stylerig"] == pytest.approx(1)
    assert found["gain, pitch"].true == pytest.approx(1, abs=0.05)
    assert found["gain, pitch"].true_scaled == pytest.approx(1)
    assert found["leakage of pose edits / stylerig's"].true < 0.2, "a judge that sees straight"
    assert found["leakage of pose edits / stylerig's"].true_scaled < 0.2
    assert found["identity cosine under pose / the world's own"].true is None
    missed = {goal.name for goal in goals(compared.scores, compared.request.methods, "nothing") if goal.met is False}
    assert {"gain, yaw within ±30°", "gain, light azimuth", "pose error at 20° yaw, degrees"} <= missed


def test_same_seed_same_numbers_whatever_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run takes the world's pictures from the folder."""
    stack = SpelledStack(tmp_path)
    methods = {"cddfm": Moves(stack.model, 0.8, 0.1)}

    def report() -> dict:
        return document(stack, methods, run(tmp_path, methods, faces=7, domains=("portrait",)))

    first = report()
    assert list(tmp_path.rglob("*.pt"))
    assert report() == first
    monkeypatch.setattr("cddfm.evaluation.measure.BATCH", 3)
    for one, two in zip(first["scores"], report()["scores"], strict=True):
        assert one["gain"] == pytest.approx(two["gain"], rel=1e-4, abs=1e-5)
        assert one["leaked_on_others"] == pytest.approx(two["leaked_on_others"], rel=1e-3, abs=1e-4)


def test_four_forms(compared: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = SpelledStack(tmp_path)
    methods = {name: Moves(stack.model) for name in compared.request.methods}
    write_document(tmp_path / "evaluation.json", stack, methods, compared)
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert report["counts"]["faces"] == 24
    assert report["missing"] == {"identity_trained": "the stack has no network 'recogniser'"}
    row = report["scores"][0]
    assert {"gain", "judge_slope", "share", "identity_ratio", "ssim_outside", "round_trip_code"} <= set(row)
    assert {row["goal"] for row in report["goals"]} >= {"gain, light azimuth"}
    show_evaluation(compared)
    show_evaluation(compared, every=True)
    printed = capsys.readouterr().out
    assert "3 expressions, 3 judged" in printed
    assert "Goals for cddfm" in printed
    assert min(draw_evaluation(stack, methods, compared).size) > 500
    write_tables(tmp_path / "evaluation.md", compared)
    written = (tmp_path / "evaluation.md").read_text()
    assert written.index("## Goals") < written.index("| jawOpen |")
    columns = 1 + len(compared.request.domains) * (1 + len(compared.request.methods))
    table = written.split("## Gains of expressions")[1].split("##")[0].strip().splitlines()
    assert {line.count("|") for line in table} == {columns + 1}


def test_generators_are_compared_with_the_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In every domain that the world can draw; the others are named."""
    stack = SpelledStack(tmp_path)
    methods = {"cddfm": Moves(stack.model)}
    found = run(tmp_path, methods, faces=4, domains=("portrait", "oil"), scale=False, distance_images=40)
    assert [row.domain for row in found.distances] == ["portrait"]
    reason = "the world draws no 'oil', only portrait, toon"
    assert found.missing["distance, oil"] == reason
    report = json.loads(json.dumps(document(stack, methods, found)))
    (row,) = report["distances"]
    assert {"images": 40, "domain": "portrait"}.items() <= row.items()
    assert row["ratio"] == pytest.approx(row["generated"] / row["world"])
    assert len({*row["world_seeds"], row["generated_seed"]}) == 3
    assert "distance" in report["definitions"]
    name = "Fréchet distance, portrait / the world's own"
    (goal,) = (goal for goal in report["goals"] if goal["goal"] == name)
    assert goal["values"]["cddfm"] == row["ratio"]
    show_evaluation(found)
    printed = capsys.readouterr()
    assert "between sets of 40 pictures" in printed.out
    assert name in printed.out
    assert reason in " ".join(printed.err.split())


def test_without_recognisers_the_columns_are_empty(tmp_path: Path) -> None:
    stack = SpelledStack(tmp_path, identity=False)
    methods = {"cddfm": Moves(stack.model)}
    found = evaluate(stack, methods, Request(("cddfm",), ("portrait",), 4, 0, tmp_path, None))
    assert set(found.missing) == {"identity", "identity_trained"}
    assert all(score.measured.extras["identity"] is None for score in found.scores)
    assert torch.isfinite(torch.tensor([score.measured.gain for score in found.scores])).all()
