"""StyleRig in W+: vectors of w+ are read from s and written to it by the generator's own affines, and the networks fold exactly."""

import pytest
import torch

from cddfm.params import ATTRIBUTES, ParamStatistics
from cddfm.rig import RigNet, StyleRig
from cddfm.w_plus import enter_w_plus, leave_w_plus, passages, vector_layers
from stylespace.weights import load_network, save_network
from tests.cddfm.standins import SIZES


def codes(generator, count=64):
    """One w for each vector of w+, and what the affines make of them."""
    z = torch.randn(count * generator.num_ws, generator.z_dim, generator=torch.Generator().manual_seed(3))
    w = generator.map(z).unflatten(0, (count, generator.num_ws))
    return w, generator.styles(w)


@pytest.fixture(params=[False, True], ids=["published", "steering"])
def rig(request, tiny_generator):
    torch.manual_seed(0)
    rig = StyleRig(vector_layers(tiny_generator.style_layout), SIZES, hidden=8, steering=request.param).eval()
    with torch.no_grad():
        rig.styles.fit(ParamStatistics.measure(codes(tiny_generator)[1]))
    return rig


@torch.no_grad()
def test_vectors_cover_the_code_in_order(tiny_generator):
    layers = vector_layers(tiny_generator.style_layout)
    assert [name for name, _ in layers] == [f"w{index}" for index in range(tiny_generator.num_ws)]
    w, s = codes(tiny_generator)
    changed = w.clone()
    changed[:, 1] += 1.0
    moved = (tiny_generator.styles(changed) != s).any(dim=0)
    first, width = layers[0][1], layers[1][1]
    assert moved.nonzero().flatten().tolist() == list(range(first, first + width))


@torch.no_grad()
def test_writing_and_reading_are_the_affines(tiny_generator, rig):
    w, s = codes(tiny_generator)
    standard = rig.styles.standardise(s)
    parts = standard.split([width for _, width in rig.layers], dim=1)
    spread = ParamStatistics.measure(tiny_generator.map(torch.randn(4096, 8, generator=torch.Generator().manual_seed(0)))).deviation
    for index, way in enumerate(passages(tiny_generator, rig.styles)):
        difference = (w[1:, index] - w[:-1, index]) / spread
        assert torch.allclose(difference @ way.write.T, parts[index][1:] - parts[index][:-1], atol=1e-3)
        shown = (parts[index] @ way.read.T) @ way.write.T
        if way.write.shape[0] >= tiny_generator.w_dim:
            assert torch.allclose(way.read @ way.write, torch.eye(tiny_generator.w_dim), atol=0.05)
        assert torch.allclose(shown @ way.read.T, parts[index] @ way.read.T, atol=1e-2)


@torch.no_grad()
def test_folding_changes_nothing(tiny_generator, rig, tmp_path):
    s = codes(tiny_generator)[1]
    deltas = {name: torch.randn(len(s), rig.layout.sizes[name]) for name in ATTRIBUTES}
    enter_w_plus(rig, tiny_generator)
    assert not any(isinstance(net, RigNet) for net in rig.rignets.values())
    before = rig.edit(s, deltas)
    leave_w_plus(rig)
    assert all(isinstance(net, RigNet) for net in rig.rignets.values())
    assert torch.allclose(rig.edit(s, deltas), before, atol=1e-4)
    assert not torch.allclose(before, s, atol=1e-2)
    save_network(tmp_path / "base.safetensors", rig)
    assert torch.allclose(load_network(tmp_path / "base.safetensors", StyleRig).edit(s, deltas), before, atol=1e-4)


@torch.no_grad()
def test_edits_stay_in_what_a_vector_can_write(tiny_generator, rig):
    """What is in s and comes from no w+ stays as it is."""
    s = codes(tiny_generator)[1] + torch.randn(64, rig.styles.mean.shape[0])
    ways = passages(tiny_generator, rig.styles)
    enter_w_plus(rig, tiny_generator)
    moved = (rig.edit(s, {"pose": torch.ones(64, 3)}) - s) / rig.styles.deviation
    for part, way in zip(moved.split([width for _, width in rig.layers], dim=1), ways, strict=True):
        basis = torch.linalg.qr(way.write).Q
        assert torch.allclose(part @ basis @ basis.T, part, atol=1e-3)


@torch.no_grad()
def test_steering_gives_every_code_the_same_change():
    torch.manual_seed(0)
    net, control = RigNet([("a", 4), ("b", 6)], 3, steering=True), torch.randn(1, 3)
    change = net(torch.randn(5, 10), control.expand(5, -1))
    assert torch.allclose(change, change[:1].expand(5, -1))
    seeing = RigNet([("a", 4), ("b", 6)], 3)(torch.randn(5, 10), control.expand(5, -1))
    assert not torch.allclose(seeing, seeing[:1].expand(5, -1), atol=1e-3)
