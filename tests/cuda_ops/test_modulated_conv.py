"""Scaling activations against the definition: one weight per sample."""

import pytest
import torch
from torch.nn import functional

from cuda_ops.bias_act import bias_act
from cuda_ops.modulated_conv import styled_conv2d, to_rgb
from cuda_ops.upfirdn2d import fir_filter, upfirdn2d, upsample2d


def by_definition(x, weight, style, demodulate, up):
    pictures = []
    for picture, scale in zip(x, style, strict=True):
        own = weight * scale[None, :, None, None]
        if demodulate:
            own = own * (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        if up == 1:
            pictures.append(functional.conv2d(picture[None], own, padding=weight.shape[2] // 2))
        else:
            large = functional.conv_transpose2d(picture[None], own.transpose(0, 1), stride=2)
            pictures.append(upfirdn2d(large, fir_filter().to(x.dtype), padding=(1, 1, 1, 1), gain=4.0))
    return torch.cat(pictures)


def draw(kernel=3, size=5):
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 4, size, size), (6, 4, kernel, kernel), (2, 4))
    return [torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("clamp", [None, 0.7])
def test_a_styled_layer_is_convolution_noise_bias_activation(up, clamp):
    x, weight, style = draw()
    noise, bias = torch.randn(2, 1, 5 * up, 5 * up, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    expected = bias_act(by_definition(x, weight, style, True, up) + noise, bias, gain=1.3, clamp=clamp)
    assert torch.allclose(styled_conv2d(x, weight, style, noise, bias, up, gain=1.3, clamp=clamp), expected)
    expected = bias_act(by_definition(x, weight, style, False, up), bias, clamp=clamp)
    assert torch.allclose(styled_conv2d(x, weight, style, None, bias, up, demodulate=False, clamp=clamp), expected)


@pytest.mark.parametrize("clamp", [None, 0.7])
def test_colours_are_clamped_and_added_to_the_upsampled_picture(clamp):
    x, weight, style = draw(kernel=1, size=6)
    weight, bias, image = weight[:3], torch.randn(3, dtype=torch.float64), torch.randn(2, 3, 3, 3, dtype=torch.float64)
    expected = bias_act(by_definition(x, weight, style, False, 1), bias, "linear", clamp=clamp)
    assert torch.allclose(to_rgb(x, weight, style, bias, clamp=clamp), expected)
    found = to_rgb(x.contiguous(memory_format=torch.channels_last), weight, style, bias, image, clamp)
    assert torch.allclose(found, upsample2d(image) + expected)
    assert found.is_contiguous()


def test_up_convolution_keeps_an_even_gain():
    """A constant in gives the same constant at even and odd pixels away from the border (no chequerboard)."""
    x, weight = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3)
    y = styled_conv2d(x, weight, torch.ones(1, 1), None, torch.zeros(1), up=2, demodulate=False)[0, 0, 4:-4, 4:-4]
    assert torch.allclose(y, y[:1, :1].expand_as(y))


@pytest.mark.parametrize("up, demodulate", [(1, True), (2, True), (1, False)])
def test_gradients_of_first_and_second_order(up, demodulate):
    x, weight, style = (tensor.requires_grad_() for tensor in draw(size=2))
    noise = torch.randn(1, 1, 2 * up, 2 * up, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True)

    def function(x, weight, style, noise, bias):
        return styled_conv2d(x, weight, style, noise, bias, up, demodulate, 1.2)

    assert torch.autograd.gradcheck(function, (x, weight, style, noise, bias), fast_mode=True)
    assert torch.autograd.gradgradcheck(function, (x, weight, style, noise, bias), fast_mode=True)


@pytest.mark.parametrize("up", [1, 2])
def test_bfloat16_activations_are_within_a_percent(up):
    x, weight, style = (tensor.float() for tensor in draw(size=16))
    bias, noise = torch.randn(6), torch.randn(2, 1, 16 * up, 16 * up)
    exact = styled_conv2d(x, weight, style, noise, bias, up)
    rounded = styled_conv2d(x.bfloat16(), weight, style, noise, bias, up)
    assert rounded.dtype == torch.bfloat16
    assert (rounded - exact).square().mean().sqrt() < 0.01 * exact.square().mean().sqrt()
    colours = to_rgb(x.bfloat16(), torch.randn(3, 4, 1, 1), style, torch.randn(3))
    assert colours.dtype == torch.float32


def test_other_factors_are_refused():
    x, weight, style = draw()
    with pytest.raises(ValueError, match="up = 1 or 2, not 4"):
        styled_conv2d(x, weight, style, None, torch.zeros(6), up=4)
