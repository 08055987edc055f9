"""Reconstructors: sizes, budgets, statistics, and that a small one learns."""

import pytest
import torch

from cddfm.params import FaceParams, ParamStatistics
from cddfm.reconstruct import Reconstructor, last_maps
from stylespace.trunks import TRUNKS
from stylespace.weights import load_network, save_network
from tests.cddfm.standins import SIZES


@pytest.mark.parametrize("architecture", TRUNKS)
def test_reads_pictures_of_any_size_and_survives_saving(architecture, tmp_path):
    torch.manual_seed(0)
    network = Reconstructor(architecture, 16, SIZES, width=8, hidden=16).eval()
    network.statistics.fit(ParamStatistics(torch.arange(float(network.layout.total)), torch.full((network.layout.total,), 2.0)))
    images = torch.randn(2, 3, 40, 40).clamp(-1, 1)
    params = network(images)
    assert isinstance(params, FaceParams)
    assert params.layout == network.layout
    assert torch.allclose(params.flatten(), network.standard(images) * 2 + torch.arange(float(network.layout.total)))
    save_network(tmp_path / "network.safetensors", network)
    assert torch.equal(load_network(tmp_path / "network.safetensors", Reconstructor)(images).flatten(), params.flatten())
    assert network.features(images).shape == (2, 16)


@pytest.mark.parametrize("architecture", TRUNKS)
def test_its_levels_go_from_maps_to_parameters(architecture):
    torch.manual_seed(0)
    network = Reconstructor(architecture, 32, SIZES, width=8, hidden=16, detail=64).eval()
    images = torch.randn(2, 3, 64, 64).clamp(-1, 1)
    *maps, features, standard = network.levels(images)
    *maps, first = maps
    assert [level.shape[2] for level in maps] == [32, *[16, 8, 4] * 2]
    assert torch.equal(maps[0], last_maps(network.trunk, images)[0])
    assert features.shape == (2, 64)
    assert torch.allclose(first, network.features(images), atol=1e-6)
    assert torch.allclose(standard, network.standard(images), atol=1e-6)


def test_the_second_look_takes_faces_from_a_larger_picture():
    torch.manual_seed(0)
    network = Reconstructor("residual", 16, SIZES, width=8, hidden=16, detail=64).eval()
    plane = torch.rand(256, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    network.unwrap.points.copy_(torch.cat([plane, torch.zeros(256, 1)], dim=1))
    checks = torch.ones(1, 3, 64, 64)
    checks[:, :, ::2, ::2] = checks[:, :, 1::2, 1::2] = -1.0  # grey at 16 px
    grey = torch.zeros(1, 3, 64, 64)
    assert torch.allclose(network.first(checks), network.first(grey), atol=1e-3)
    straight = [network.laid_straight(images, network.first(images)) for images in (checks, grey)]
    assert straight[0].std() > 0.1 and straight[1].abs().max() < 1e-6


@pytest.mark.parametrize("architecture", TRUNKS)
def test_stays_within_its_budget(architecture):
    network = Reconstructor(architecture, 64, (60, 50, 30))
    assert sum(parameter.numel() for parameter in network.parameters()) < 2_500_000


def test_the_two_architectures_share_no_normalisation():
    kinds = [{type(part).__name__ for part in Reconstructor(name, 16, SIZES).trunk.modules()} for name in TRUNKS]
    assert "GroupNorm" in kinds[0]
    assert "BatchNorm2d" in kinds[1]
    assert not {"GroupNorm", "ResidualBlock"} & kinds[1]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        Reconstructor("plain", 48, SIZES)
    with pytest.raises(ValueError, match="valid are residual, plain"):
        Reconstructor("vit", 64, SIZES)
