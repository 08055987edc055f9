from typing import ClassVar, Literal

import pytest

from cddfm.config import Options, resolve
from cddfm.errors import UserError


class Sample(Options):
    presets: ClassVar = {"tiny": {"batch": 2}, "small": {}}
    total_images: int = 100
    batch: int = 8
    rate: float = 0.1
    styles: tuple[str, ...] = ()
    counts: dict[Literal["toon", "clay"], int] = {"toon": 1}


def test_presets_and_assignments_are_layered():
    options = resolve(Sample, "tiny", ["rate=0.5"])
    assert (options.batch, options.rate, options.total_images) == (2, 0.5, 100)


@pytest.mark.parametrize(
    ("preset", "assignments", "message"),
    [
        ("tny", [], "did you mean 'tiny'"),
        ("tiny", ["rat=1"], "did you mean 'rate'"),
        ("tiny", ["rate"], "needs key=value"),
        ("tiny", ["batch=many"], "batch='many' does not fit"),
        ("tiny", ["counts=toon"], "needs name=value in each of its parts, got 'toon'"),
        ("tiny", ["counts=tooon=3"], "tooon"),
    ],
)
def test_mistakes_get_one_helpful_sentence(preset, assignments, message):
    with pytest.raises(UserError, match=message):
        resolve(Sample, preset, assignments)


def test_several_values_are_joined_by_commas():
    options = resolve(Sample, "small", ["styles=toon, clay", "counts=toon=3,clay=4"])
    assert (options.styles, options.counts) == (("toon", "clay"), {"toon": 3, "clay": 4})
    assert resolve(Sample, "small", ["counts="]).counts == {}


def test_options_are_frozen():
    options = resolve(Sample, "small")
    with pytest.raises(Exception, match="frozen"):
        options.batch = 3


def test_a_record_names_folders_without_their_place():
    class Started(Options):
        start: str = ""

    assert Started(total_images=1, batch=1, start="/some/where/stack").record()["start"] == "stack"
    assert Started(total_images=1, batch=1).record() == Started(total_images=1, batch=1).model_dump()

    class StartedBySeveral(Options):
        start: tuple[str, ...] = ()

    assert StartedBySeveral(total_images=1, batch=1, start=("/some/where/stack", "other")).record()["start"] == ("stack", "other")
