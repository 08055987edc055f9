"""The comparisons run end to end on tiny generators and say what they measured."""

import json

import pytest
import torch

from benchmarks import contestants, interactive
from benchmarks import generator as comparison
from benchmarks.contestants import EXACT, PUBLISHED, SCALED, Size, make_generator, make_styles, parse_sizes
from cddfm.edit import Editor
from cddfm.stack import Stack

TINY = Size(16, 128)


@pytest.fixture(scope="module")
def generator():
    return make_generator(TINY)


def test_sizes_are_read_or_refused():
    assert parse_sizes("256:16384,1024:32768") == [Size(256, 16384), Size(1024, 32768)]
    assert parse_sizes("") == []
    for wrong in ("256", "256:x", "256:1:2"):
        with pytest.raises(ValueError, match=f"sizes '{wrong}' cannot be read"):
            parse_sizes(wrong)


def test_codes_are_the_same_in_every_run_and_noise_is_on(generator):
    assert torch.equal(make_styles(generator, 2), make_styles(make_generator(TINY), 2))
    assert generator.synthesis.b8.conv0.noise_strength == pytest.approx(0.1)


def test_inference_is_measured_against_float64(generator):
    rows = comparison.measure_inference(generator, TINY, 2, False, rounds=2, seconds=0.0)
    assert [row["contestant"] for row in rows][:3] == [PUBLISHED, SCALED, EXACT]
    assert rows[0]["times_faster"] == rows[0]["times_faster_at_best"] == 1.0
    for row in rows:
        assert 0 < row["relative_error"] < 0.01
        assert row["reference"] == "published, float64"
        assert row["rounds"] == 2
    assert rows[2]["relative_error"] < 1e-5


def test_training_compares_all_gradients():
    rows = comparison.measure_training(make_generator(TINY), TINY, 2, rounds=1, seconds=0.0)
    assert [row["contestant"] for row in rows] == list(comparison.TRAINED)
    assert rows[0]["relative_error"] == 0
    assert 0 < rows[2]["relative_error"] < 1e-4


def test_a_generator_with_a_fast_form_is_asked_for_it(generator, monkeypatch):
    assert not contestants.has_precision(generator) or contestants.FAST in contestants.contestants(generator)
    asked = []

    def synthesise(s, precision="exact"):
        asked.append(precision)
        return s

    monkeypatch.setattr(generator, "synthesise", synthesise)
    draws = contestants.contestants(generator)
    assert list(draws) == [PUBLISHED, SCALED, EXACT, contestants.FAST]
    draws[EXACT](torch.zeros(1)), draws[contestants.FAST](torch.zeros(1))
    assert asked == ["exact", "fast"]


def test_the_command_writes_what_it_shows(tmp_path, capsys):
    path = tmp_path / "results" / "tiny.json"
    comparison.main(sizes="16:128", batches="1", training="16:128", training_batch=1, peak=False, rounds=1, seconds=0.0, json=path)
    found = json.loads(path.read_text())
    assert len(found["training"]) == 3
    assert found["machine"]["torch"] == torch.__version__
    shown = capsys.readouterr().out
    assert "Forward + backward" in shown
    assert EXACT in shown


def test_layers_and_sliders_are_measured(tiny_stack):
    rows = interactive.measure_layers(TINY, 1, 0.0, first=8)
    assert [row["edited"] for row in rows] == ["b8.conv0", "b16.conv0"]
    editor = Editor(Stack(tiny_stack))
    editor.set_seed(0)
    rows = interactive.measure_sliders(editor, 1, 0.0)
    assert len(rows) == len(interactive.SLIDERS)
    assert all(row["replayed_ms"] > 0 for row in rows)
