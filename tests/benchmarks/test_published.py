"""What the benchmarks compare with computes the same pictures and gradients."""

from functools import partial

import pytest
import torch

from benchmarks import published
from stylespace.generator import Generator


def make(**options):
    torch.manual_seed(0)
    generator = Generator(32, z_dim=8, w_dim=12, channel_base=256, channel_max=16, mapping_layers=2, **options)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise_strength", "bias")):
                parameter.add_(0.3 * torch.randn(parameter.shape))
    s = generator.styles(generator.broadcast(generator.map(torch.randn(3, 8)))).detach()
    return generator, s


@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize("options", [{}, {"conv_clamp": 1.0}, {"use_noise": False}])
@torch.no_grad()
def test_pictures_are_ours_within_rounding(options, per_sample):
    generator, s = make(**options)
    expected = generator.synthesise(s)
    found = published.synthesise(generator, s, per_sample=per_sample)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    generator.double()
    found = published.synthesise(generator, s.double(), per_sample=per_sample)
    assert torch.allclose(found, generator.synthesise(s.double()), atol=1e-10)


def test_gradients_are_ours():
    generator, s = make()
    generator.double()
    gradients = []
    fused, scaled = (partial(published.synthesise, generator, per_sample=per_sample) for per_sample in (True, False))
    for draw in (fused, scaled, generator.synthesise):
        code = s.double().requires_grad_()
        generator.zero_grad()
        draw(code).sin().sum().backward()
        gradients.append([code.grad, *(p.grad for p in generator.synthesis.parameters() if p.grad is not None)])
    assert len(gradients[0]) > 20
    for first, *others in zip(*gradients, strict=True):
        for other in others:
            assert (first - other).norm() < 1e-6 * first.norm()


@torch.no_grad()
def test_lower_precision_keeps_the_picture_in_float32():
    generator, s = make()
    expected = published.synthesise(generator, s)
    for per_sample in (True, False):
        picture = published.synthesise(generator, s, torch.bfloat16, per_sample)
        assert picture.dtype == torch.float32
        assert 0 < (picture - expected).std() < 0.02 * expected.std()


def test_other_architectures_are_refused():
    generator, s = make(architecture="resnet")
    with pytest.raises(ValueError, match="skip architecture, not resnet"):
        published.synthesise(generator, s)
