"""bfloat16 is where convolutions are, and nowhere else; float32 changes nothing."""

import pytest
import torch
from torch import nn

from cddfm.errors import UserError
from cddfm.precision import choose_precision, convolving_in
from domains.finetune import Finetune
from stylespace.discriminator import Discriminator
from stylespace.encoder import Encoder
from stylespace.generator import Generator


class Reader(nn.Module):
    """Convolutions, a norm and a head; notes the types that pass."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 3, padding=1))
        self.head = nn.Linear(8, 2)
        self.seen: list[torch.dtype] = []
        self.trunk[2].register_forward_hook(lambda module, inputs, output: self.seen.append(output.dtype))
        self.head.register_forward_hook(lambda module, inputs, output: self.seen.append(output.dtype))

    def forward(self, images):
        return self.head(self.trunk(images).mean(dim=(2, 3)))


def networks() -> tuple[Generator, Encoder, Discriminator]:
    torch.manual_seed(0)
    small = {"resolution": 16, "channel_base": 128, "channel_max": 16}
    return Generator(z_dim=24, w_dim=16, mapping_layers=2, **small), Encoder(16, w_dim=16, width=8, hidden=16), Discriminator(**small)


@pytest.mark.parametrize(
    ("units", "processor", "chosen"),
    [
        (True, {"cpu_name": "Intel Xeon"}, "bf16"),
        (False, {"cpu_name": "Intel Xeon", "avx512_bf16": True}, "fp32"),
        (False, {"cpu_name": "AMD EPYC", "avx512_bf16": True}, "bf16"),
        (False, {"cpu_name": "AMD EPYC", "avx512_bf16": False}, "fp32"),
        (False, {}, "fp32"),
    ],
)
def test_auto_follows_the_processor_and_unknown_names_are_refused(units: bool, processor: dict, chosen: str, monkeypatch) -> None:
    monkeypatch.setattr("cddfm.precision.has_bfloat16_units", lambda device: units)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: processor)
    assert choose_precision("auto", "cpu") == chosen
    assert choose_precision("auto", "cuda") == ("bf16" if units else "fp32")
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(UserError, match="'bf16'"):
        choose_precision("bf17", "cpu")


def test_convolutions_are_fast_heads_exact_and_outputs_wide() -> None:
    torch.manual_seed(0)
    network, images = Reader(), torch.randn(2, 3, 8, 8)
    exact = network(images)
    with convolving_in("bf16", [network]):
        fast = network(images)
        fast.sum().backward()
    assert network.seen == [torch.float32, torch.float32, torch.bfloat16, torch.float32]
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, exact)
    torch.testing.assert_close(fast, exact, atol=0.02, rtol=0.02)
    assert all(parameter.grad.dtype == torch.float32 and parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    with convolving_in("fp32", [network]):
        assert torch.equal(network(images), exact)
    assert torch.equal(network(images), exact)


def test_a_failure_inside_leaves_no_trace() -> None:
    network = Reader()
    with convolving_in("bf16", [network]), pytest.raises(RuntimeError):
        network(torch.randn(2, 4, 8, 8))
    assert not torch.is_autocast_enabled("cpu")


def test_styles_are_exact_and_pictures_close() -> None:
    generator, _, _ = networks()
    z = torch.randn(4, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        s = generator.styles(generator.broadcast(generator.map(z)))
        exact = generator.synthesise(s)
        with convolving_in("bf16", [generator]):
            assert torch.equal(generator.styles(generator.broadcast(generator.map(z))), s)
            fast = generator.synthesise(s)
    assert fast.dtype == torch.float32
    assert 0 < float((fast - exact).square().mean().sqrt() / exact.std()) < 0.02


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])])
def test_an_adversarial_step_with_all_its_penalties_runs_in_it(device: str) -> None:
    source, _, discriminator = (network.to(device) for network in networks())

    def reals(position, count, randomness):
        return torch.randn(count, 3, 16, 16, generator=randomness).clamp(-1, 1).to(device)

    stage = Finetune(source, discriminator, reals, batch=4, total_images=40)
    before = [parameter.clone() for parameter in discriminator.parameters()]
    with convolving_in("bf16", stage.modules.values()):
        metrics = stage.step(0, torch.Generator().manual_seed(0))
    assert {"r1", "adversarial", "structure"} <= metrics.keys()
    assert all(torch.isfinite(torch.as_tensor(value)) for value in metrics.values())
    assert all(parameter.dtype == torch.float32 for parameter in discriminator.parameters())
    assert any(not torch.equal(*pair) for pair in zip(before, discriminator.parameters(), strict=True))
