import json

import pytest

from cddfm.report import fail, progress_bar, say, show_json, show_table


def test_messages_and_results_go_different_ways(capsys: pytest.CaptureFixture[str]) -> None:
    say("a message [with brackets]")
    fail("what was wrong")
    show_json({"gain": 0.5})
    captured = capsys.readouterr()
    assert captured.err == "a message [with brackets]\nerror: what was wrong\n"
    assert json.loads(captured.out) == {"gain": 0.5}


def test_tables_show_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("title", ("name", "value"), [("yaw", 0.12345), ("roll", None)], breaks=[0])
    out = capsys.readouterr().out
    assert all(part in out for part in ("title", "yaw", "0.123", "roll", "–"))


def test_progress_is_quiet_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("training", total=3) as advance:
        for position in range(1, 4):
            advance(position, {"loss": 0.5})
    assert capsys.readouterr().out == ""
