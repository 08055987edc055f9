"""Manipulators: zero is exact, only selected layers move, attributes add up, the bundle saves and loads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cddfm.manipulator import EditorNetworks, Manipulator
from cddfm.params import ATTRIBUTES, FaceParams, ParamStatistics
from cddfm.predictor import Predictor
from stylespace.weights import load_network, save_network
from tests.cddfm.standins import SIZES

LAYERS = (("b4.conv1", 6), ("b4.torgb", 6), ("b8.conv0", 4), ("b8.conv1", 5))
SELECTION = {
    "identity": ["b4.conv1", "b8.conv0"],
    "expression": ["b8.conv0"],
    "albedo": ["b8.conv1"],
    "pose": ["b4.conv1"],
    "light": ["b8.conv1", "b8.conv0"],
}


def make() -> Manipulator:
    torch.manual_seed(0)
    manipulator = Manipulator(LAYERS, SELECTION, SIZES, hidden=8).eval()
    manipulator.styles.fit(ParamStatistics(torch.randn(21), torch.rand(21) + 0.5))
    return manipulator


def deltas_of(manipulator: Manipulator, batch: int, scale: float = 1.0) -> dict[str, torch.Tensor]:
    return {name: scale * torch.randn(batch, manipulator.layout.sizes[name]) for name in ATTRIBUTES}


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), batch=st.integers(1, 5), scale=st.floats(1e-3, 1e3))
def test_zero_changes_nothing_bit_for_bit(seed, batch, scale):
    manipulator = make()
    torch.manual_seed(seed)
    s = scale * torch.randn(batch, 21)
    assert torch.equal(manipulator.edit(s, deltas_of(manipulator, batch, 0.0)), s)
    assert torch.equal(manipulator.edit(s, {}), s)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_only_selected_layers_move_and_all_of_them_do(attribute):
    manipulator = make()
    s = torch.randn(3, 21)
    edited = manipulator.edit(s, {attribute: torch.randn(3, manipulator.layout.sizes[attribute])})
    for name, part in manipulator.slices.items():
        assert torch.equal(edited[:, part], s[:, part]) == (name not in SELECTION[attribute])


def test_each_encoder_and_decoder_serves_its_own_layer():
    manipulator = make()
    s, delta = torch.randn(2, 21), torch.randn(2, 27)
    network = manipulator.attributes["light"]
    with torch.no_grad():
        network.decoders[0].weight.zero_()
    edited = manipulator.edit(s, {"light": delta})
    assert torch.equal(edited[:, manipulator.slices["b8.conv1"]], s[:, manipulator.slices["b8.conv1"]])
    assert not torch.equal(edited[:, manipulator.slices["b8.conv0"]], s[:, manipulator.slices["b8.conv0"]])


def test_attributes_add_up():
    manipulator = make()
    s, deltas = torch.randn(4, 21), deltas_of(manipulator, 4)
    changes = [manipulator.edit(s, {name: delta}) - s for name, delta in deltas.items()]
    assert torch.allclose(manipulator.edit(s, deltas) - s, sum(changes), atol=1e-5)


def test_the_answer_depends_on_the_code():
    manipulator = make()
    s, delta = torch.randn(2, 21), torch.randn(1, 3).expand(2, 3)
    change = manipulator.edit(s, {"pose": delta}) - s
    assert not torch.allclose(change[0], change[1], rtol=1e-3)


def test_a_selection_of_unknown_layers_is_refused():
    with pytest.raises(ValueError, match="b16"):
        Manipulator(LAYERS, {**SELECTION, "pose": ["b16.conv0"]}, SIZES)
    with pytest.raises(ValueError, match="no layer"):
        Manipulator(LAYERS, {**SELECTION, "pose": []}, SIZES)


def test_the_bundle_survives_saving(tmp_path):
    torch.manual_seed(0)
    bundle = EditorNetworks(Predictor(21, SIZES, (8,)).arguments, make().arguments).eval()
    save_network(tmp_path / "editor.safetensors", bundle)
    again = load_network(tmp_path / "editor.safetensors", EditorNetworks)
    s, deltas = torch.randn(2, 21), deltas_of(bundle.manipulator, 2)
    assert torch.equal(again.edit(s, deltas), bundle.edit(s, deltas))
    assert torch.equal(again.predict(s).flatten(), bundle.predict(s).flatten())


def test_corrections_close_in_on_the_target():
    """An editor that writes half of what is asked, and a predictor that reads what is written: each correction halves the rest."""
    arguments = dict(layers=[list(layer) for layer in LAYERS], selection=SELECTION, sizes=SIZES, hidden=8)
    for corrections in (0, 1, 3):
        networks = EditorNetworks({"style_dim": 21, "sizes": SIZES, "hidden": (8,)}, arguments, corrections).eval()
        networks.predictor.forward = lambda s: FaceParams.unflatten(make().layout, s[:, :1].expand(-1, make().layout.total))
        networks.manipulator.edit = lambda s, deltas: s + 0.5 * deltas["pose"][:, :1]
        s = torch.randn(3, 21)
        delta = torch.tensor([[0.8], [0.0], [-0.4]]).expand(-1, 3)
        edited = networks.edit(s, {"pose": delta})
        left = delta[:, 0] - (edited - s)[:, 0]
        assert torch.allclose(left, delta[:, 0] * 0.5 ** (corrections + 1), atol=1e-6)
        assert torch.equal(edited[1], s[1])
