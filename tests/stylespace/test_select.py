"""The rule on pictures whose dependence on layers is known."""

import json

import pytest
import torch

from stylespace.code import StyleLayout
from stylespace.select import LayerSelection, select_layers

LAYOUT = StyleLayout(32, 512, 32)
ONES = torch.ones(LAYOUT.style_dim)


def drawing(**strengths):
    """Pictures whose pixels are numbers of s, each layer's times its strength; layers as b4_conv1."""
    weight = torch.zeros(LAYOUT.style_dim)
    for name, strength in strengths.items():
        part = LAYOUT.slices[name.replace("_", ".")]
        weight[part] = strength / (part.stop - part.start) ** 0.5
    return lambda s: (s * weight)[:, None, None, :].expand(-1, 3, 1, -1)


def answers(samples=40, seed=0):
    random = torch.Generator().manual_seed(seed)
    s = torch.randn(samples, LAYOUT.style_dim, generator=random)
    return s, s + torch.randn(samples, LAYOUT.style_dim, generator=random)


def test_it_finds_the_layers_that_show():
    selection = select_layers(LAYOUT, {"pose": answers()}, drawing(b8_conv0=3.0, b4_torgb=3.0, b16_conv1=0.3), ONES)
    assert selection.selected == {"pose": ("b4.torgb", "b8.conv0")}
    assert selection.stability == {"pose": 1.0}
    assert 0.9 < selection.explained["pose"] < 1.0
    assert selection.table()["pose"]["b4.torgb"] == pytest.approx(0.5, abs=0.05)
    assert selection.statistics["pose"]["b32.conv1"].share == pytest.approx(0.0, abs=1e-6)
    assert selection.statistics["pose"]["b32.conv1"].mean == pytest.approx(1.0, abs=0.1)  # it changes, and shows nothing


def test_what_is_added_sums_to_what_is_explained():
    selection = select_layers(LAYOUT, {"pose": answers()}, drawing(b8_conv0=3.0, b8_conv1=2.0, b16_conv0=1.0), ONES, coverage=0.99)
    rows = selection.statistics["pose"]
    assert sum(row.added for row in rows.values()) == pytest.approx(selection.explained["pose"], abs=1e-6)
    assert rows["b8.conv0"].added > rows["b8.conv1"].added > rows["b16.conv0"].added > 0
    assert rows["b4.conv1"].added == 0


def test_coverage_is_reached_by_few_layers():
    draw = drawing(b8_conv1=3.0, b16_conv0=2.0, b16_conv1=1.0)  # shares about 9, 4, 1 of 14
    pairs = {"pose": answers()}
    sizes = {coverage: len(select_layers(LAYOUT, pairs, draw, ONES, coverage).selected["pose"]) for coverage in (0.5, 0.8, 0.99)}
    assert sizes == {0.5: 1, 0.8: 2, 0.99: 3}


def test_layers_that_cancel_are_seen_together():
    """Two layers that only show as their difference: a change of both alike shows nothing, so neither is chosen."""
    s, answer = answers()
    width = LAYOUT["b16.conv0"].width
    one, two = LAYOUT.slices["b16.conv0"], LAYOUT.slices["b16.conv1"]
    change = torch.randn(len(s), width, generator=torch.Generator().manual_seed(1))
    answer = s.clone()
    answer[:, one] += change
    answer[:, two] += change
    answer[:, LAYOUT.slices["b8.conv0"]] += 1.0
    both = drawing(b8_conv0=1.0)

    def draw(codes):
        difference = (codes[:, one] - codes[:, two])[:, None, None, :].expand(-1, 3, 1, -1)
        return torch.cat([both(codes), difference], dim=3)

    assert select_layers(LAYOUT, {"pose": (s, answer)}, draw, ONES).selected["pose"] == ("b8.conv0",)


def test_an_unstable_choice_shows():
    s, answer = answers()
    changed = s.clone()
    changed[0::2, LAYOUT.slices["b4.conv1"]] = answer[0::2, LAYOUT.slices["b4.conv1"]]
    changed[1::2, LAYOUT.slices["b32.conv1"]] = answer[1::2, LAYOUT.slices["b32.conv1"]]
    selection = select_layers(LAYOUT, {"pose": (s, changed)}, drawing(b4_conv1=1.0, b32_conv1=1.0), ONES)
    assert selection.stability["pose"] == 0.0


def test_small_changes_decide_as_large_ones_do():
    """Of five pairs one changes ten times as much, and in another layer; it is outvoted."""
    s, answer = answers()
    changed = s.clone()
    loud = torch.arange(len(s)) % 5 == 0
    for rows, layer, factor in ((loud, "b4.conv1", 10.0), (~loud, "b32.conv1", 1.0)):
        part = LAYOUT.slices[layer]
        changed[rows, part] += factor * (answer - s)[rows, part]
    selection = select_layers(LAYOUT, {"pose": (s, changed)}, drawing(b4_conv1=1.0, b32_conv1=1.0), ONES, coverage=0.3)
    assert selection.selected["pose"] == ("b32.conv1",)


def test_it_survives_json():
    selection = select_layers(LAYOUT, {"pose": answers()}, drawing(b4_conv1=1.0), ONES)
    table = json.loads(json.dumps(selection.to_json() | {"options": {}}))
    assert LayerSelection.from_json(table) == selection
    del table["selected"]
    with pytest.raises(ValueError, match="no layer selection.*selected"):
        LayerSelection.from_json(table)


def test_mistakes_are_named():
    s, answer = answers()
    with pytest.raises(ValueError, match="answers to pose change no picture"):
        select_layers(LAYOUT, {"pose": (s, s)}, drawing(b4_conv1=1.0), ONES)
    with pytest.raises(ValueError, match="coverage 1.5"):
        select_layers(LAYOUT, {"pose": (s, answer)}, drawing(b4_conv1=1.0), ONES, 1.5)
    with pytest.raises(ValueError, match="1 pairs"):
        select_layers(LAYOUT, {"pose": (s[:1], answer[:1])}, drawing(b4_conv1=1.0), ONES)
