"""The operator against scipy, line by line, and its three special forms against the operator."""

import numpy as np
import pytest
import torch
from scipy.signal import upfirdn

from cuda_ops.upfirdn2d import FIR, blur2d, downsample2d, fir_filter, upfirdn2d, upsample2d

X = torch.randn(2, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def by_scipy(x, taps, up, down, padding):
    """Separable: pad the zero-stuffed picture, filter each axis, cut what scipy's full convolution has on top."""
    array = x.numpy()
    for axis, (before, after) in ((3, padding[:2]), (2, padding[2:])):
        stuffed = upfirdn([1.0], array, up=up, axis=axis)
        missing = array.shape[axis] * up - stuffed.shape[axis]
        widths = [(0, 0)] * 4
        widths[axis] = (before, after + missing)
        padded = np.pad(stuffed, widths)
        full = upfirdn(taps, padded, axis=axis)
        valid = np.take(full, range(len(taps) - 1, padded.shape[axis]), axis=axis)
        array = np.take(valid, range(0, valid.shape[axis], down), axis=axis)
    return torch.from_numpy(array)


@pytest.mark.parametrize("up, down", [(1, 1), (2, 1), (1, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (2, 1, 2, 1), (3, 0, 1, 4)])
def test_it_is_scipys_upfirdn_on_both_axes(up, down, padding):
    taps = np.array([1.0, 2.0, 4.0, 0.5])  # not symmetric, so a mirrored filter would show
    plane = torch.from_numpy(np.outer(taps, taps))
    assert torch.allclose(upfirdn2d(X, plane, up, down, padding), by_scipy(X, taps, up, down, padding))
    assert torch.allclose(upfirdn2d(X, plane.flip(0, 1), up, down, padding, flip=True), by_scipy(X, taps, up, down, padding))


def test_negative_padding_crops():
    one = torch.ones(1, 1, dtype=torch.float64)
    assert torch.equal(upfirdn2d(X, one, padding=(-1, -2, -1, 0)), X[:, :, 1:, 1:-2])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_special_forms_are_the_operator(layout):
    x = X.contiguous(memory_format=layout)
    fir = fir_filter().double()
    assert torch.allclose(upsample2d(x), upfirdn2d(x, fir, up=2, padding=(2, 1, 2, 1), gain=4.0))
    assert torch.allclose(downsample2d(x), upfirdn2d(x, fir, down=2, padding=(1, 1, 1, 1)))
    assert torch.allclose(blur2d(x, 2, 2), upfirdn2d(x, fir, padding=(2, 2, 2, 2)))
    assert torch.allclose(blur2d(x, 1, 2, gain=4.0), upfirdn2d(x, fir, padding=(1, 2, 1, 2), gain=4.0))


@pytest.mark.parametrize("function", [upsample2d, downsample2d, lambda x: blur2d(x, 1, 1)])
def test_gradients_of_first_and_second_order(function):
    x = X[:1, :2, :4, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


def test_backward_is_the_operator_with_up_and_down_exchanged():
    fir = fir_filter((1.0, 2.0, 3.0, 5.0)).double()
    x = X.clone().requires_grad_()
    y = upfirdn2d(x, fir, down=2, padding=(1, 1, 1, 1))
    (gradient,) = torch.autograd.grad(y.square().sum() / 2, x)
    assert torch.allclose(gradient, upfirdn2d(y.detach(), fir, up=2, padding=(2, 1, 2, 1), flip=True))


def test_filter_sums_to_one():
    assert fir_filter(FIR).sum() == pytest.approx(1.0)
