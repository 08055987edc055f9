"""Where pictures go on beyond their border, nothing shows that they end there."""

import pytest
import torch
from torch.nn import functional

from cuda_ops.upfirdn2d import upsample2d
from stylespace.border import replicated, upsampled, within
from stylespace.generator import Generator
from tests.stylespace.standins import SMALL, codes, noisy


@torch.no_grad()
def make(architecture="skip", replicate_from=None):
    """Of a plain constant: what it draws varies from place to place only by noise and by the border."""
    torch.manual_seed(0)
    network = Generator(32, **SMALL, architecture=architecture, replicate_from=replicate_from)
    const = network.synthesis.b4.const
    const.copy_(const[:, :1, :1].expand_as(const))
    return noisy(network)


def test_a_larger_picture_is_the_one_that_is_made_of_a_larger_one():
    """Away from its border an operator does not know how far a picture goes."""
    x = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    far = functional.pad(x, (4,) * 4, mode="replicate")
    assert torch.equal(within(replicated(x), 1), x)
    torch.testing.assert_close(upsampled(x), upsample2d(far)[:, :, 8:-8, 8:-8])
    assert not torch.allclose(upsampled(x), upsample2d(x))


@pytest.mark.parametrize("architecture", ["skip", "orig", "resnet"])
def test_no_frame_is_drawn(architecture):
    """Every pixel of a plain ground is like the one in the middle."""
    for replicate_from, framed in ((None, True), (8, True), (4, False)):
        generator = make(architecture, replicate_from)
        picture = generator.synthesise(codes(generator), noise="none")
        assert torch.allclose(picture, picture[:, :, 16:17, 16:17].expand_as(picture), atol=1e-4) != framed, replicate_from


@pytest.mark.parametrize("architecture", ["skip", "orig", "resnet"])
def test_the_middle_is_what_it_was(architecture):
    usual, going_on = make(architecture), make(architecture, replicate_from=32)
    s = codes(usual)
    one, other = usual.synthesise(s), going_on.synthesise(s)
    assert torch.allclose(one[:, :, 8:-8, 8:-8], other[:, :, 8:-8, 8:-8], atol=1e-5)
    assert not torch.allclose(one, other, atol=1e-2)


def test_gradients_reach_weights_past_the_border():
    generator = make(replicate_from=16).requires_grad_(True)
    generator.synthesise(codes(generator)).square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for name, parameter in generator.named_parameters() if "fc" not in name)
    assert float(generator.synthesis.b32.conv1.weight.grad.abs().sum()) > 0


def test_a_layer_in_half_precision_is_close():
    generator = make(replicate_from=16)
    s = codes(generator)
    torch.testing.assert_close(generator.synthesise(s, precision="fast"), generator.synthesise(s), atol=0.1, rtol=0.1)
