"""Snapshots of stylegan2-ada-pytorch and stylegan3: read to identical pictures, refused where the graph is another one."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from stylespace.checkpoints import load_generator, read_checkpoint
from stylespace.weights import WeightsError
from tests.stylespace.checkpoints.writers import nvidia_bytes, pictures, small_generator


def read_back(tmp_path, data):
    path = tmp_path / "network.bin"
    path.write_bytes(data)
    return read_checkpoint(path)


GRAPHS = [
    {},
    {"architecture": "resnet", "conv_clamp": 256.0},
    {"architecture": "orig"},
    {"conv_clamp": 0.6},
    {"label_dim": 3, "z_dim": 7},
    {"label_dim": 3, "label_width": 5, "mapping_width": 9, "mapping_layers": 3},
    {"mapping_layers": 8, "mapping_rate": 0.1},
    {"use_noise": False},
    {"resolution": 32, "channel_base": 96, "channel_max": 16},
]


@pytest.mark.parametrize("variant", ["ada", "stylegan3"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_graph_comes_back_to_identical_pictures(tmp_path, graph, variant):
    network = small_generator(**graph)
    checkpoint = read_back(tmp_path, nvidia_bytes(network, variant))
    assert torch.equal(pictures(checkpoint.generator), pictures(network))
    assert checkpoint.format == "NVIDIA PyTorch pickle"
    assert not checkpoint.generator.training
    same = ("resolution", "z_dim", "w_dim", "mapping_layers", "mapping_rate", "label_dim", "architecture", "conv_clamp", "use_noise")
    assert {name: checkpoint.generator.arguments[name] for name in same} == {name: network.arguments[name] for name in same}


@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_the_pickle_protocol_does_not_matter(tmp_path, protocol):
    network = small_generator()
    checkpoint = read_back(tmp_path, nvidia_bytes(network, protocol=protocol))
    assert torch.equal(pictures(checkpoint.generator), pictures(network))


def test_source_code_in_the_file_is_not_run(tmp_path):
    marker = tmp_path / "marker"
    network = small_generator(8)
    read_back(tmp_path, nvidia_bytes(network, module_src=f"open({str(marker)!r}, 'w').close()"))
    assert not marker.exists()


def set_attribute(where, name, value):
    def change(path, state):
        if path == where:
            state[name] = value

    return change


@pytest.mark.parametrize(
    "where, name, value, said",
    [
        ("synthesis.b8.conv0", "activation", "swish", "synthesis.b8.conv0 has activation 'swish' where StyleGAN2 has 'lrelu'"),
        ("synthesis.b8.conv1", "up", 2, "synthesis.b8.conv1 has up 2"),
        ("synthesis.b8.conv1", "act_gain", np.float64(1.0), "has act_gain 1.0"),
        ("synthesis.b8.conv1", "conv_clamp", 5, "different multipliers .* or clamps"),
        ("synthesis.b8.conv1", "conv_clamp", [5], "built in another way"),
        ("mapping.fc1", "bias_gain", 0.5, "weight_gain|different multipliers"),
        ("mapping.fc0", "weight_gain", np.float64(9.0), "mapping.fc0 has weight_gain 9.0"),
        ("synthesis.b4.conv1.affine", "activation", "lrelu", "affine has activation 'lrelu'"),
        ("synthesis.b8", "architecture", "resnet", "blocks are 'resnet' while its tensors are those of 'skip'"),
    ],
)
def test_attributes_that_change_the_graph_are_refused(tmp_path, where, name, value, said):
    with pytest.raises(WeightsError, match=said):
        read_back(tmp_path, nvidia_bytes(small_generator(8), change=set_attribute(where, name, value)))


def change_tensors(where, change_group):
    def change(path, state):
        if path == where:
            change_group(state)

    return change


@pytest.mark.parametrize(
    "where, alter, said",
    [
        ("synthesis.b8.conv1", lambda state: state["_parameters"].pop("bias"), r"missing: synthesis\.b8\.conv1\.bias"),
        (
            "synthesis.b8.conv1",
            lambda state: state["_parameters"].update(extra=torch.zeros(2)),
            r"unknown: synthesis\.b8\.conv1\.extra\)",
        ),
        (
            "synthesis.b8.conv0",
            lambda state: state["_parameters"].update(bias=torch.zeros(3)),
            r"another shape: synthesis\.b8\.conv0\.bias 3 instead of 8",
        ),
        (
            "synthesis.b8.conv0",
            lambda state: state["_buffers"].update(resample_filter=torch.ones(4, 4) / 16),
            r"filter synthesis\.b8\.conv0\.resample_filter is not",
        ),
        ("synthesis.b8.torgb", lambda state: state["_parameters"].update(weight=torch.zeros(4, 8, 1, 1)), "4 colour channels"),
        ("synthesis.b8.conv1", lambda state: state["_parameters"].update(weight=torch.zeros(7, 8, 3, 3)), "7 instead of 7|another shape"),
        ("mapping", lambda state: state["_modules"].clear(), "no mapping network"),
    ],
)
def test_keys_and_shapes_must_match_exactly(tmp_path, where, alter, said):
    with pytest.raises(WeightsError, match=said):
        read_back(tmp_path, nvidia_bytes(small_generator(8), change=change_tensors(where, alter)))


def test_relatives_are_named(tmp_path):
    def stylegan3(path, state):
        if path == "synthesis":
            state["_modules"] = OrderedDict(L0_36_512=state["_modules"]["b4"])

    def something(path, state):
        if path == "":
            state["_modules"].pop("synthesis")

    with pytest.raises(WeightsError, match="StyleGAN3's own generator"):
        read_back(tmp_path, nvidia_bytes(small_generator(8), change=stylegan3))
    with pytest.raises(WeightsError, match="'Generator' is no StyleGAN2 generator; its tensors begin with mapping.w_avg"):
        read_back(tmp_path, nvidia_bytes(small_generator(8), change=something))
    with pytest.raises(WeightsError, match="holds G, D, augment_pipe, training_set_kwargs but no network G_ema"):
        read_back(tmp_path, nvidia_bytes(small_generator(8), keys=("G", "D")))


def test_a_module_that_contains_itself_is_refused(tmp_path):
    def change(path, state):
        if path == "synthesis":
            state["_modules"]["b4"].state["_modules"]["loop"] = state["_modules"]["b4"]

    with pytest.raises(WeightsError, match="nested more than 8 deep"):
        read_back(tmp_path, nvidia_bytes(small_generator(8), change=change, protocol=4))


def test_half_precision_is_widened(tmp_path):
    network = small_generator(8).half().float()

    def change(path, state):
        for group in ("_parameters", "_buffers"):
            for name, tensor in state[group].items():
                state[group][name] = tensor if name == "resample_filter" else tensor.half()

    loaded = read_back(tmp_path, nvidia_bytes(network, change=change)).generator
    assert loaded.synthesis.b4.const.dtype == torch.float32
    assert torch.equal(pictures(loaded), pictures(network))


def test_the_package_offers_it_too(tmp_path):
    import stylespace

    assert stylespace.load_generator is load_generator
    with pytest.raises(AttributeError, match="no attribute 'load_painter'"):
        _ = stylespace.load_painter
