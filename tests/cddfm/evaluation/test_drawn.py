import json
from pathlib import Path

import pytest

from cddfm.evaluation import truth
from cddfm.evaluation.document import document
from cddfm.evaluation.drawn import DrawnScore, pictures_drawn
from cddfm.evaluation.run import Evaluation, Request, evaluate
from cddfm.evaluation.tables import show_evaluation, write_tables
from cddfm.evaluation.world_scale import Sitters
from tests.cddfm.evaluation.standins import Moves, SpelledStack, composed, spelled_back

METHODS = {"cddfm": {}, "half": {"share": 0.5}, "nothing": {"share": 0.0}, "spills": {"spill": 2.0}}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> SpelledStack:
    return SpelledStack(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def methods(stack: SpelledStack) -> dict[str, Moves]:
    return {name: Moves(stack.model, **how) for name, how in METHODS.items()}


@pytest.fixture(scope="module")
def found(stack: SpelledStack, methods: dict[str, Moves]) -> Evaluation:
    """Inversions are off by the same in every number, which is nothing that changes."""
    request = Request(tuple(methods), ("portrait", "toon"), 60, 0, stack.folder, steps=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(truth, "embed", spelled_back)
        patch.setattr(truth, "compose", composed)
        return evaluate(stack, methods, request)


def of(found: Evaluation, method: str) -> dict[str, DrawnScore]:
    return {score.control: score for score in found.drawn if (score.method, score.domain) == (method, "toon")}


def test_who_draws_the_change_draws_all_of_it(found: Evaluation) -> None:
    assert set(of(found, "cddfm")) == {"yaw", "pitch", "roll", "jawOpen", "smile", "blink", "azimuth", "identity", "albedo"}
    for score in of(found, "cddfm").values():
        assert score.gain == pytest.approx(1, abs=0.05), score
        assert score.off < 0.01, score


def test_half_a_change_is_a_quarter_off(found: Evaluation) -> None:
    for score in of(found, "half").values():
        assert score.gain == pytest.approx(0.5, abs=0.05), score
        assert score.off == pytest.approx(0.25, abs=0.05), score


def test_who_does_nothing_is_as_far_off_as_nothing(found: Evaluation) -> None:
    assert all(score.gain == 0 and score.off == 1 for score in of(found, "nothing").values())


def test_what_is_drawn_besides_is_off_and_no_gain(found: Evaluation) -> None:
    yaw = of(found, "spills")["yaw"]
    assert yaw.gain == pytest.approx(1, abs=0.05)
    assert yaw.off > 0.5


def test_only_edits_that_ask_for_something_count(found: Evaluation) -> None:
    assert all(0 < score.edits <= found.counts.sitters for score in found.drawn)


def test_it_is_written_and_shown(
    found: Evaluation, stack: SpelledStack, methods: dict[str, Moves], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads(json.dumps(document(stack, methods, found)))
    assert len(report["drawn"]) == 2 * len(METHODS) * 9
    assert "drawn" in report["definitions"]
    show_evaluation(found)
    printed = capsys.readouterr().out
    assert "3 expressions, medians" in printed
    write_tables(tmp_path / "evaluation.md", found)
    table = (tmp_path / "evaluation.md").read_text().split("## What of the true change")[1].split("##")[0].strip().splitlines()
    assert sum(line.startswith("| toon |") for line in table) == 9 + 1
    assert {line.count("|") for line in table[2:]} == {2 + 2 * len(METHODS) + 1}


def test_the_bar_knows_how_many_pictures_there_are(stack: SpelledStack) -> None:
    people = Sitters.of(stack.world, 5, "portrait", 16)
    assert pictures_drawn(people, 2, 3) == 5 + 9 * (5 + 2 * 3)
