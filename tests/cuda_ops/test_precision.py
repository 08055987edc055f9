"""Exact is the weights' type; fast is bfloat16 only where units for it are."""

import pytest
import torch

from cuda_ops import precision
from cuda_ops.convolution import conv2d_down, conv2d_same, conv2d_up
from cuda_ops.modulated_conv import styled_conv2d
from cuda_ops.precision import activation_dtype


@pytest.mark.parametrize("units, expected", [(True, torch.bfloat16), (False, torch.float32)])
def test_fast_needs_units(units, expected, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda _: units)
    assert activation_dtype("fast", torch.ones(1)) == expected
    assert activation_dtype("exact", torch.ones(1)) == torch.float32
    assert activation_dtype("fast", torch.ones(1, dtype=torch.float64)) == torch.float64


def styled(x, weight):
    return styled_conv2d(x, weight, torch.ones(2, 4), None, torch.zeros(8))


@pytest.mark.parametrize("layer", [conv2d_same, conv2d_down, conv2d_up, styled])
def test_convolutions_follow_autocast(layer):
    """Compiled operators, which know float32 alone, give way."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 9, 9, generator=random)
    weight = torch.randn(8, 4, 3, 3, generator=random, requires_grad=True)
    exact = layer(x, weight)
    with torch.autocast("cpu", torch.bfloat16):
        fast = layer(x, weight)
    assert (exact.dtype, fast.dtype) == (torch.float32, torch.bfloat16)
    fast.float().sum().backward()
    assert weight.grad.dtype == torch.float32
    assert 0 < float(((fast - exact).square().mean().sqrt() / exact.std()).detach()) < 0.02
