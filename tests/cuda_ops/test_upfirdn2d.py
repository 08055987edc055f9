"""The operator against scipy, line by line; compiled against the definition; its three special forms against the operator."""

import itertools

import numpy as np
import pytest
import torch
from scipy.signal import upfirdn

from cuda_ops import native
from cuda_ops.upfirdn2d import FIR, FIR_PLANE, blur2d, downsample2d, fir_filter, out_size, reference, upfirdn2d, upsample2d

pytestmark = pytest.mark.usefixtures("compiled")

LAYOUTS = [torch.contiguous_format, torch.channels_last]
TOLERANCE = {torch.float64: (1e-7, 1e-8), torch.float32: (1e-5, 1e-5), torch.bfloat16: (8e-3, 8e-3)}
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
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_it_is_scipys_upfirdn_on_both_axes(up, down, padding, dtype):
    taps = np.array([1.0, 2.0, 4.0, 0.5])  # not symmetric, so a mirrored filter would show
    plane = torch.from_numpy(np.outer(taps, taps))
    x = X.to(dtype)
    expected = by_scipy(x.double(), taps, up, down, padding).to(dtype)
    rtol, atol = TOLERANCE[dtype]
    for layout in LAYOUTS:
        x = x.contiguous(memory_format=layout)
        torch.testing.assert_close(upfirdn2d(x, plane, up, down, padding), expected, rtol=rtol, atol=10 * atol)
        torch.testing.assert_close(upfirdn2d(x, plane.flip(0, 1), up, down, padding, flip=True), expected, rtol=rtol, atol=10 * atol)


def test_negative_padding_crops():
    one = torch.ones(1, 1, dtype=torch.float64)
    assert torch.equal(upfirdn2d(X, one, padding=(-1, -2, -1, 0)), X[:, :, 1:, 1:-2])


def filters():
    random = torch.Generator().manual_seed(2)

    def normal(*shape):
        return torch.randn(shape, generator=random)

    yield FIR_PLANE
    yield normal(1, 1)
    yield normal(4, 4)
    yield normal(3, 5)
    yield torch.outer(normal(6), normal(3))
    yield torch.outer(normal(2), torch.tensor(FIR))


SHAPES = [(2, 33, 7, 9), (1, 3, 16, 5), (2, 1, 8, 8), (1, 8, 9, 6)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape, layout", list(itertools.product(SHAPES, LAYOUTS)))
def test_compiled_is_the_definition(shape, layout, dtype):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype).contiguous(memory_format=layout)
    rtol, atol = TOLERANCE[dtype]
    for filter, up, down in itertools.product(filters(), (1, 2, 3), (1, 2, 3)):
        for padding, flip in (((0, 0, 0, 0), False), ((2, 1, 2, 1), True), ((-1, 3, 4, -2), False), ((5, 0, -3, 6), True)):
            if min(out_size(x, filter, up, down, padding)) < 1:
                continue
            found = torch.ops.cuda_ops.upfirdn2d(x, filter, up, down, padding, flip, 1.7)
            expected = reference(x, filter, up, down, padding, flip, 1.7)
            assert found.stride() == expected.stride()
            torch.testing.assert_close(found, expected, rtol=rtol, atol=4 * atol)


def test_wide_pictures_are_filtered_in_strips():
    """Wider than one strip, and than one thread's share of rows."""
    random = torch.Generator().manual_seed(3)
    for shape, layout in itertools.product([(1, 40, 70, 130), (1, 2, 40, 2500)], LAYOUTS):
        x = torch.randn(shape, generator=random).contiguous(memory_format=layout)
        for up, down, padding in ((1, 1, (2, 1, 2, 1)), (2, 1, (2, 1, 2, 1)), (1, 2, (1, 1, 1, 1)), (1, 1, (-3, 0, 5, 1))):
            found, expected = upfirdn2d(x, FIR_PLANE, up, down, padding), reference(x, FIR_PLANE, up, down, padding, False, 1.0)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_gaps():
    x = X.float().contiguous(memory_format=torch.channels_last)[:, 1:, 1:, ::2]
    assert torch.allclose(blur2d(x, 1, 2), reference(x, FIR_PLANE, 1, 1, (1, 2, 1, 2), False, 1.0), atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
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


CASES = [(1, 1, (2, 1, 0, 3)), (2, 1, (2, 1, 2, 1)), (1, 2, (1, 1, 1, 1)), (2, 3, (-1, 2, 3, -1)), (3, 2, (0, 4, -2, 5))]


@pytest.mark.parametrize("up, down, padding", CASES)
def test_gradients_with_any_factors_and_filter(up, down, padding):
    x = X[:1, :2, :5, :4].clone().requires_grad_()
    filter = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def function(x):
        return upfirdn2d(x, filter, up, down, padding, flip=up > down, gain=1.5)

    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


@pytest.mark.parametrize("up, down, padding", CASES)
def test_compiled_gradients_are_those_of_the_definition(up, down, padding):
    def gradients():
        x = X.float().requires_grad_()
        (first,) = torch.autograd.grad(upfirdn2d(x, FIR_PLANE, up, down, padding).pow(3).sum(), x, create_graph=True)
        return [first, *torch.autograd.grad(first.square().sum(), x)]

    found = gradients()
    with native.disabled():
        expected = gradients()
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_it_is_a_well_behaved_operator():
    x = X.float().contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.library.opcheck(torch.ops.cuda_ops.upfirdn2d.default, (x, FIR_PLANE, 2, 1, (2, 1, 2, 1), False, 4.0))
    torch.library.opcheck(torch.ops.cuda_ops.fir2d.default, (x, 1, 2, (1, 1, 1, 1), 1.0))
    for dtype in (torch.bfloat16, torch.float64):
        arguments = (X.to(dtype), FIR_PLANE, 1, 2, (1, 1, 1, -1), True, 1.0)
        torch.library.opcheck(torch.ops.cuda_ops.upfirdn2d.default, arguments, test_utils=("test_schema", "test_faketensor"))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="up and down must be at least 1, not 0 and 1"):
        upfirdn2d(X, FIR_PLANE, up=0)
    with pytest.raises(ValueError, match="nothing is left of .6, 8. pixels"):
        upfirdn2d(X, FIR_PLANE, padding=(-8, 0, 0, 0))
    with pytest.raises(ValueError, match="the filter is a constant"):
        upfirdn2d(X, torch.ones(2, 2, requires_grad=True))


def test_backward_is_the_operator_with_up_and_down_exchanged():
    fir = fir_filter((1.0, 2.0, 3.0, 5.0)).double()
    x = X.clone().requires_grad_()
    y = upfirdn2d(x, fir, down=2, padding=(1, 1, 1, 1))
    (gradient,) = torch.autograd.grad(y.square().sum() / 2, x)
    assert torch.allclose(gradient, upfirdn2d(y.detach(), fir, up=2, padding=(2, 1, 2, 1), flip=True))


def test_filter_sums_to_one():
    assert fir_filter(FIR).sum() == pytest.approx(1.0)
