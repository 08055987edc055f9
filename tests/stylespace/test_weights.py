import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stylespace.weights import WeightsError, load_network, read_notes, save_network


class Small(nn.Module):
    def __init__(self, width: int = 3):
        super().__init__()
        self.arguments = {"width": width}
        self.linear = nn.Linear(width, width)
        self.register_buffer("count", torch.tensor(7))


class Other(Small):
    pass


def test_a_network_comes_back_equal_with_its_notes(tmp_path):
    network = Small(5)
    save_network(tmp_path / "deep" / "a.safetensors", network, {"images": 12})
    loaded = load_network(tmp_path / "deep" / "a.safetensors", Small)
    assert torch.equal(loaded.linear.weight, network.linear.weight)
    assert loaded.count.dtype == torch.int64
    assert not loaded.training
    assert read_notes(tmp_path / "deep" / "a.safetensors") == {"images": 12}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.safetensors"]


def test_half_storage_rounds_and_loads_as_float32(tmp_path):
    network = Small()
    save_network(tmp_path / "a.safetensors", network, half=True)
    loaded = load_network(tmp_path / "a.safetensors", Small)
    assert loaded.linear.weight.dtype == torch.float32
    assert torch.equal(loaded.linear.weight, network.linear.weight.half().float())


def test_every_failure_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError, match="missing"):
        load_network(path, Small)
    save_network(path, Small())
    with pytest.raises(WeightsError, match="holds a Small where a Other is needed"):
        load_network(path, Other)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        load_network(path, Small)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not written by cddfm"):
        load_network(path, Small)
    network = Small()
    network.arguments = {"width": 4}
    save_network(path, network)
    with pytest.raises(WeightsError, match=r"linear\.bias"):
        load_network(path, Small)
