"""StyleRig: zero edits are exact, each attribute's network is its own, it saves and loads."""

import pytest
import torch

from cddfm.params import ATTRIBUTES, ParamStatistics
from cddfm.rig import StyleRig
from stylespace.weights import load_network, save_network
from tests.cddfm.standins import SIZES

LAYERS = (("b4.conv1", 6), ("b4.torgb", 6), ("b8.conv0", 4))


@pytest.fixture
def rig():
    torch.manual_seed(0)
    rig = StyleRig(LAYERS, SIZES, hidden=8).eval()
    rig.styles.fit(ParamStatistics(torch.randn(16), torch.rand(16) + 0.5))
    return rig


def test_zero_edits_change_nothing_bit_for_bit(rig):
    s = torch.randn(5, 16)
    zero = {name: torch.zeros(5, rig.layout.sizes[name]) for name in ATTRIBUTES}
    assert torch.equal(rig.edit(s, zero), s)
    assert torch.equal(rig.edit(s, {}), s)
    zero["pose"][2, 1] = 0.3
    changed = (rig.edit(s, zero) != s).any(dim=1)
    assert changed.tolist() == [False, False, True, False, False]


def test_an_edit_aims_at_predicted_plus_delta(rig):
    s, delta = torch.randn(3, 16), torch.randn(3, 3)
    target = rig.standard(s).clone()
    part = rig.layout.slices["pose"]
    target[:, part] += delta / rig.statistics.deviation[part]
    assert torch.allclose(rig.edit(s, {"pose": delta}), rig.put(s, "pose", target))


def test_unknown_attributes_are_refused(rig):
    with pytest.raises(ValueError, match="no attribute 'yaw'"):
        rig.edit(torch.randn(1, 16), {"yaw": torch.zeros(1, 1)})


def test_survives_saving(rig, tmp_path):
    save_network(tmp_path / "base.safetensors", rig)
    s = torch.randn(2, 16)
    again = load_network(tmp_path / "base.safetensors", StyleRig)
    assert torch.equal(again.predict(s).flatten(), rig.predict(s).flatten())
