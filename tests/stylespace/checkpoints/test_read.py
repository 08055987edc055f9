"""The content decides what a file is; broken files are named, and so is what was read."""

import hashlib

import pytest
import torch

from stylespace.checkpoints import load_generator, read_checkpoint, write_rosinality
from stylespace.checkpoints.rosinality import rosinality_checkpoint
from stylespace.weights import WeightsError, save_network
from tests.stylespace.checkpoints.writers import nvidia_bytes, pictures, small_generator, tensorflow_arrays, tensorflow_bytes


def write(network, kind, path):
    if kind == "safetensors":
        save_network(path, network)
    elif kind == "rosinality":
        write_rosinality(path, network)
    elif kind == "legacy":
        torch.save(rosinality_checkpoint(network), path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(nvidia_bytes(network) if kind == "nvidia" else tensorflow_bytes(tensorflow_arrays(network)))


KINDS = {
    "safetensors": "cddfm safetensors", "rosinality": "rosinality checkpoint", "legacy": "rosinality checkpoint",
    "nvidia": "NVIDIA PyTorch pickle", "tensorflow": "NVIDIA TensorFlow pickle",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".pkl", ".safetensors", ""])
def test_the_name_says_nothing(tmp_path, kind, suffix):
    network, path = small_generator(8), tmp_path / f"file{suffix}"
    write(network, kind, path)
    checkpoint = read_checkpoint(str(path))
    assert checkpoint.format == KINDS[kind]
    assert checkpoint.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.allclose(pictures(checkpoint.generator), pictures(network), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.98])
def test_cut_files_are_named(tmp_path, kind, part):
    path = tmp_path / "file"
    write(small_generator(8), kind, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(WeightsError, match="damaged") as raised:
        load_generator(path)
    assert str(path) in str(raised.value)


OTHERS = [b"GIF89a" + b"\0" * 100, b"PK\x03\x04" + b"x" * 100, b"<html>not found</html>", b"\x80\x04garbage", b"."]


@pytest.mark.parametrize("content", OTHERS)
def test_other_files_are_named(tmp_path, content):
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be used: it is damaged"):
        load_generator(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="there is no checkpoint file .*a.pkl; give a .pkl, .pt or .safetensors"):
        load_generator(tmp_path / "a.pkl")


def test_a_generator_saved_before_labels_and_clamps_existed_still_loads(tmp_path):
    network = small_generator(8)
    expected = pictures(network)
    old = ("resolution", "z_dim", "w_dim", "channel_base", "channel_max", "mapping_layers", "mapping_rate")
    network.arguments = {name: network.arguments[name] for name in old}
    save_network(tmp_path / "a.safetensors", network)
    assert torch.equal(pictures(load_generator(tmp_path / "a.safetensors")), expected)


@pytest.mark.parametrize(
    "base, most, least", [(16384, 512, 1), (32768, 512, 1), (1536, 256, 1), (1536, 256, 24), (2048, 512, 8), (3000, 100, 1)]
)
def test_channel_rules_are_recognised(base, most, least):
    from stylespace.checkpoints.assemble import _channel_rule
    from stylespace.code import channels_at

    for last in (5, 6, 8, 10):
        widths = {1 << exponent: channels_at(1 << exponent, base, most, least) for exponent in range(2, last + 1)}
        found = _channel_rule(widths)
        assert {size: channels_at(size, *found) for size in widths} == widths
        if last == 10 and base >= 16384:
            assert found == (base, most, least)


def test_widths_without_a_rule_are_refused():
    from stylespace.checkpoints.assemble import _channel_rule

    with pytest.raises(WeightsError, match=r"feature maps \(8 at 4, 16 at 8\) do not follow"):
        _channel_rule({4: 8, 8: 16})
