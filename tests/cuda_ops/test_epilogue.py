"""The epilogue against its definition and against the operators that it replaces."""

import itertools
import math

import pytest
import torch

from cuda_ops import native
from cuda_ops.bias_act import bias_act
from cuda_ops.epilogue import epilogue, reference
from cuda_ops.upfirdn2d import blur2d

pytestmark = pytest.mark.usefixtures("compiled")

LAYOUTS = [torch.contiguous_format, torch.channels_last]
SHAPES = [(2, 33, 7, 9), (1, 3, 16, 5), (2, 1, 9, 9), (1, 8, 65, 33)]


def draw(shape, fir, noises, dtype=torch.float32, layout=torch.contiguous_format):
    """x, factor, noise, bias."""
    random = torch.Generator().manual_seed(0)
    batch, channels, height, width = shape

    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64 if dtype == torch.float64 else torch.float32)

    x = normal(*shape).to(dtype).contiguous(memory_format=layout)
    return [x, normal(batch, channels).abs() + 0.5, normal(noises, 1, height - fir, width - fir), normal(channels)]


def test_it_replaces_four_operators():
    x, factor, noise, bias = draw((2, 5, 9, 9), True, 2, torch.float64)
    expected = bias_act(blur2d(x, 1, 1, gain=4.0) * factor[:, :, None, None] + noise, bias, clamp=1.5)
    assert expected.shape == (2, 5, 8, 8)
    assert torch.allclose(epilogue(x, factor, noise, bias, fir=True, clamp=1.5), expected)
    assert torch.allclose(epilogue(x.float(), factor, noise, bias, fir=True, clamp=1.5), expected.float(), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape, layout, fir", list(itertools.product(SHAPES, LAYOUTS, [False, True])))
def test_compiled_is_the_definition(shape, layout, fir, dtype):
    tolerance = {"rtol": 8e-3, "atol": 8e-3} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    for present, noises, clamp in itertools.product(itertools.product([True, False], repeat=3), [1, shape[0]], [-1.0, 0.8]):
        x, *rest = draw(shape, fir, noises, dtype, layout)
        rest = [tensor if there else None for tensor, there in zip(rest, present, strict=True)]
        found = torch.ops.cuda_ops.epilogue(x, *rest, fir, 0.2, 1.3, clamp)
        expected = reference(x, *rest, fir, 0.2, 1.3, clamp)
        assert found.stride() == expected.stride() and found.dtype == dtype
        torch.testing.assert_close(found, expected, **tolerance)


def test_parameters_of_the_pictures_type():
    x, factor, noise, bias = draw((2, 8, 9, 9), True, 1, torch.bfloat16)
    rest = [tensor.bfloat16() for tensor in (factor, noise, bias)]
    torch.testing.assert_close(epilogue(x, *rest, fir=True), reference(x, *rest, True, 0.2, math.sqrt(2), -1.0), rtol=8e-3, atol=8e-3)


@pytest.mark.parametrize("shape", [(1, 40, 71, 131), (1, 2, 41, 2501)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_large_pictures_are_made_in_strips_by_threads(shape, layout):
    tensors = draw(shape, True, 1, layout=layout)
    torch.testing.assert_close(epilogue(*tensors, fir=True), reference(*tensors, True, 0.2, math.sqrt(2), -1.0), rtol=1e-5, atol=1e-5)


def test_it_can_write_to_a_given_tensor():
    x, factor, noise, bias = draw((2, 8, 9, 9), False, 1, layout=torch.channels_last)
    expected = epilogue(x, factor, noise, bias)
    torch.ops.cuda_ops_cpu.epilogue_to(x, factor, noise, bias, False, 0.2, math.sqrt(2), -1.0, x)
    assert torch.equal(x, expected)
    with pytest.raises(RuntimeError, match="does not fit"):
        torch.ops.cuda_ops_cpu.epilogue_to(x, factor, noise, bias, False, 0.2, 1.0, -1.0, torch.zeros(1, 8, 9, 9))


@pytest.mark.parametrize("fir, noises", [(False, 1), (True, 2), (True, 1)])
def test_gradients_of_first_and_second_order(fir, noises):
    tensors = [tensor.requires_grad_() for tensor in draw((2, 2, 4, 3), fir, noises, torch.float64)]

    def function(*tensors):
        return epilogue(*tensors, fir=fir, gain=1.3, clamp=2.5)

    assert torch.autograd.gradcheck(function, tensors)
    assert torch.autograd.gradgradcheck(function, tensors)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fir, absent", [(False, ()), (True, ()), (True, (1,)), (False, (2, 3))])
def test_compiled_gradients_are_those_of_the_definition(fir, absent, layout):
    def gradients():
        tensors = [tensor.requires_grad_() for tensor in draw((2, 33, 6, 7), fir, 1, layout=layout)]
        present = [tensor for index, tensor in enumerate(tensors) if index not in absent]
        y = epilogue(*[None if index in absent else tensor for index, tensor in enumerate(tensors)], fir=fir, clamp=3.0)
        first = torch.autograd.grad(y.square().sum(), present, create_graph=True)
        return [*first, *torch.autograd.grad(sum(gradient.square().mean() for gradient in first), present)]

    found = gradients()
    with native.disabled():
        expected = gradients()
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-3)


def test_it_is_a_well_behaved_operator():
    tensors = [tensor.requires_grad_() for tensor in draw((2, 3, 5, 4), True, 1, layout=torch.channels_last)]
    torch.library.opcheck(torch.ops.cuda_ops.epilogue.default, (*tensors, True, 0.2, 1.4, 1.0))
    for dtype in (torch.bfloat16, torch.float64):
        arguments = (*draw((2, 3, 5, 4), False, 2, dtype), False, 0.2, 1.4, -1.0)
        torch.library.opcheck(torch.ops.cuda_ops.epilogue.default, arguments, test_utils=("test_schema", "test_faketensor"))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="slope in .0, 1., not 1.0 and 0.0"):
        epilogue(torch.zeros(1, 1, 2, 2), slope=0.0, gain=1.0)
