"""The rule on responses whose answer is known."""

import json

import pytest
import torch

from stylespace.code import StyleLayout
from stylespace.select import LayerSelection, select_layers

LAYOUT = StyleLayout(32, 512, 32)


def responses_in(strengths, samples=64, scale=None):
    """Random answers with a given root mean square (in deviations) per layer."""
    random = torch.Generator().manual_seed(0)
    response = 1e-3 * torch.randn(samples, LAYOUT.style_dim, generator=random)
    for name, strength in strengths.items():
        part = LAYOUT.slices[name]
        response[:, part] = strength * torch.randn(samples, LAYOUT[name].width, generator=random)
    return response if scale is None else response * scale


def test_it_finds_the_layers_that_answer():
    scale = torch.rand(LAYOUT.style_dim) * 10 + 0.1
    selection = select_layers(
        LAYOUT,
        {
            "pose": responses_in({"b4.conv1": 1.0, "b8.conv0": 1.0}, scale=scale),
            "light": responses_in({"b16.conv1": 1.0, "b32.torgb": 9.0}, scale=scale),
        },
        scale,
    )
    assert selection.selected == {"pose": ("b4.conv1", "b8.conv0"), "light": ("b16.conv1",)}
    assert selection.stability == {"pose": 1.0, "light": 1.0}
    assert selection.table()["pose"]["b4.conv1"] == pytest.approx(0.5, abs=0.05)
    assert selection.statistics["light"]["b16.conv1"].mean == pytest.approx(1.0, abs=0.1)


def test_wide_layers_do_not_win_by_size():
    narrow = responses_in({"b4.conv1": 1.0, "b32.conv1": 1.0})
    shares = select_layers(LAYOUT, {"pose": narrow}, torch.ones(LAYOUT.style_dim)).statistics["pose"]
    assert LAYOUT["b4.conv1"].width == 2 * LAYOUT["b32.conv1"].width
    assert shares["b4.conv1"].share == pytest.approx(shares["b32.conv1"].share, rel=0.15)
    assert shares["b4.conv1"].energy > 1.6 * shares["b32.conv1"].energy


def test_coverage_is_reached_by_the_smallest_set():
    response = {"pose": responses_in({"b8.conv1": 3.0, "b16.conv0": 2.0, "b16.conv1": 1.0})}  # shares 9, 4, 1 of 14
    scale = torch.ones(LAYOUT.style_dim)
    sizes = {coverage: len(select_layers(LAYOUT, response, scale, coverage).selected["pose"]) for coverage in (0.5, 0.8, 0.99)}
    assert sizes == {0.5: 1, 0.8: 2, 0.99: 3}
    everything = select_layers(LAYOUT, response, scale, 1.0).selected["pose"]
    assert everything == tuple(layer.name for layer in LAYOUT.layers if not layer.is_torgb)


def test_an_unstable_choice_shows():
    response = responses_in({})
    response[0::2, LAYOUT.slices["b4.conv1"]] = 1.0
    response[1::2, LAYOUT.slices["b32.conv1"]] = 1.0
    assert select_layers(LAYOUT, {"pose": response}, torch.ones(LAYOUT.style_dim)).stability["pose"] == 0.0


def test_numbers_that_never_vary_do_not_count():
    scale = torch.ones(LAYOUT.style_dim)
    scale[LAYOUT.slices["b4.conv1"]] = 0.0
    response = responses_in({"b4.conv1": 5.0, "b8.conv0": 1.0})
    assert select_layers(LAYOUT, {"pose": response}, scale).selected["pose"] == ("b8.conv0",)


def test_it_survives_json():
    selection = select_layers(LAYOUT, {"pose": responses_in({"b4.conv1": 1.0})}, torch.ones(LAYOUT.style_dim))
    table = json.loads(json.dumps(selection.to_json() | {"options": {}}))
    assert LayerSelection.from_json(table) == selection
    del table["selected"]
    with pytest.raises(ValueError, match="no layer selection.*selected"):
        LayerSelection.from_json(table)


def test_mistakes_are_named():
    scale = torch.ones(LAYOUT.style_dim)
    with pytest.raises(ValueError, match="response to pose is zero"):
        select_layers(LAYOUT, {"pose": torch.zeros(4, LAYOUT.style_dim)}, scale)
    with pytest.raises(ValueError, match="pose has 1 measured"):
        select_layers(LAYOUT, {"pose": torch.ones(1, LAYOUT.style_dim)}, scale)
    with pytest.raises(ValueError, match="coverage 1.5"):
        select_layers(LAYOUT, {}, scale, 1.5)
