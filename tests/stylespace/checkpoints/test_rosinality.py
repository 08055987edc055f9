"""rosinality's layout: converted and trained files in, exports out, in both of torch's file formats."""

import argparse

import pytest
import torch

from stylespace.checkpoints import load_generator, read_checkpoint, write_rosinality
from stylespace.checkpoints.rosinality import rosinality_checkpoint
from stylespace.weights import WeightsError
from tests.stylespace.checkpoints.writers import pictures, rosinality_state, small_generator

LEGACY = pytest.mark.parametrize("legacy", [False, True])


def write(path, content, legacy=False):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@LEGACY
def test_a_converted_checkpoint_comes_back_to_identical_pictures(tmp_path, legacy):
    network = small_generator()
    content = {"g_ema": rosinality_state(network), "latent_avg": network.w_avg.clone()}
    checkpoint = read_checkpoint(write(tmp_path / "converted.bin", content, legacy))
    assert torch.equal(pictures(checkpoint.generator), pictures(network))
    assert checkpoint.format == "rosinality checkpoint"
    assert checkpoint.remarks == ()


@LEGACY
def test_a_trained_checkpoint_gets_the_average_of_its_mapping(tmp_path, legacy):
    network = small_generator()
    state = rosinality_state(network)
    content = {
        "g": state, "d": {"convs.0.0.weight": torch.zeros(2)}, "g_ema": state, "g_optim": {"state": {}, "param_groups": [{"lr": 0.002}]},
        "d_optim": {}, "args": argparse.Namespace(size=16, path="faces.lmdb", augment=False, lr=0.002), "ada_aug_p": 0.0,
    }  # fmt: skip
    checkpoint = read_checkpoint(write(tmp_path / "trained.pt", content, legacy))
    z = torch.randn(4096, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(checkpoint.generator.w_avg, network.map(z).mean(dim=0), atol=1e-6)
    assert torch.equal(checkpoint.generator.w_avg, load_generator(tmp_path / "trained.pt").w_avg)
    assert "no average w" in checkpoint.remarks[0]
    checkpoint.generator.mapping.w_avg.copy_(network.w_avg)
    assert torch.equal(pictures(checkpoint.generator), pictures(network))


def test_an_export_has_that_projects_names_and_shapes(tmp_path):
    network = small_generator()
    exported = rosinality_checkpoint(network)
    expected = rosinality_state(network)
    assert {name: tensor.shape for name, tensor in exported["g_ema"].items()} == {name: tensor.shape for name, tensor in expected.items()}
    assert all(torch.equal(exported["g_ema"][name], tensor) for name, tensor in expected.items())
    write_rosinality(tmp_path / "out.pt", network)
    assert [path.name for path in tmp_path.iterdir()] == ["out.pt"]
    loaded = torch.load(tmp_path / "out.pt", weights_only=True)
    assert set(loaded) == {"g_ema", "latent_avg"}
    assert torch.equal(pictures(load_generator(tmp_path / "out.pt")), pictures(network))


@pytest.mark.parametrize("resolution", [4, 8, 64])
def test_exports_of_any_size_come_back(tmp_path, resolution):
    network = small_generator(resolution)
    write_rosinality(tmp_path / "out.pt", network)
    assert torch.equal(pictures(load_generator(tmp_path / "out.pt")), pictures(network))


def test_another_mapping_rate_goes_into_the_numbers(tmp_path):
    network = small_generator(8, mapping_rate=0.05)
    write_rosinality(tmp_path / "out.pt", network)
    loaded = load_generator(tmp_path / "out.pt")
    assert loaded.arguments["mapping_rate"] == 0.01
    assert torch.allclose(pictures(loaded), pictures(network), atol=1e-5)


@pytest.mark.parametrize(
    "graph, said",
    [
        ({"architecture": "resnet"}, "no place for the resnet architecture"),
        ({"label_dim": 3}, r"no place for labels \(3 numbers\)"),
        ({"conv_clamp": 256.0}, r"no place for a clamp \(±256.0\)"),
        ({"use_noise": False}, "no place for layers without noise"),
        ({"z_dim": 7}, "z of 7 numbers beside w of 12"),
        ({"mapping_width": 9}, "a mapping of width 9"),
        ({"replicate_from": 8}, "no place for borders that go on from 8 px on"),
    ],
)
def test_graphs_that_the_layout_cannot_express_are_refused(graph, said):
    with pytest.raises(WeightsError, match=said):
        rosinality_checkpoint(small_generator(8, **graph))


@pytest.mark.parametrize(
    "alter, said",
    [
        ({"convs.1.activate.bias": None}, r"missing: convs\.1\.activate\.bias"),
        ({"convs.9.activate.bias": torch.zeros(3)}, r"unknown: convs\.9\.activate\.bias"),
        ({"to_rgbs.0.bias": torch.zeros(3)}, r"its to_rgbs\.0\.bias has shape \(3,\), which is not that layout's"),
        ({"to_rgbs.0.conv.weight": torch.zeros(1, 3, 5, 1, 1)}, r"to_rgbs\.0\.conv\.weight 3×5×1×1 instead of 3×8×1×1"),
        ({"convs.0.conv.blur.kernel": torch.ones(4, 4)}, r"filter convs\.0\.conv\.blur\.kernel is not"),
        ({"conv1.conv.modulation.weight": None}, "no StyleGAN2 generator of rosinality's layout"),
        ({"style.1.weight": None}, "no mapping network"),
    ],
)
def test_keys_and_shapes_must_match_exactly(tmp_path, alter, said):
    state = {**rosinality_state(small_generator()), **alter}
    content = {"g_ema": {name: tensor for name, tensor in state.items() if tensor is not None}}
    with pytest.raises(WeightsError, match=said):
        load_generator(write(tmp_path / "a.pt", content))


@pytest.mark.parametrize(
    "content, said",
    [
        ({"state_dict": {}, "opts": {}}, "holds state_dict, opts but no tensors g_ema"),
        ({"g_ema": [1, 2]}, "no tensors g_ema"),
        ([torch.zeros(3)], "holds a list"),
        (torch.zeros(3), "holds a Tensor"),
    ],
)
def test_other_contents_are_named(tmp_path, content, said):
    with pytest.raises(WeightsError, match=said):
        load_generator(write(tmp_path / "a.pt", content))
