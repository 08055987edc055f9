"""The operator against its definition: values and gradients of two orders, compiled and not, in every layout and type."""

import inspect
import itertools
import math

import pytest
import torch
from torch.nn import functional

from cuda_ops import native
from cuda_ops.bias_act import bias_act, reference, reference_backward

pytestmark = pytest.mark.usefixtures("compiled")

LAYOUTS = [torch.contiguous_format, torch.channels_last]
TRACING = ("test_schema", "test_faketensor")
SHAPES = [(2, 33, 5, 7), (1, 3, 16, 9), (2, 1, 4, 4), (1, 40, 1, 1), (3, 512), (2, 5, 11)]


def draw(shape, dtype=torch.float32, layout=torch.contiguous_format, seed=0):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return x.contiguous(memory_format=layout) if x.ndim == 4 else x


def test_definition():
    x = torch.tensor([[[[-2.0, 3.0]]]])
    assert torch.allclose(bias_act(x, torch.tensor([1.0])), torch.tensor([[[[-0.2, 4.0]]]]) * math.sqrt(2))
    assert torch.equal(bias_act(x, torch.tensor([1.0]), "linear", gain=2.0, clamp=5.0), torch.tensor([[[[-2.0, 5.0]]]]))
    assert torch.equal(bias_act(x, None, "linear"), x)


def test_the_definition_is_torchs_leaky_relu():
    x, bias = draw((2, 3, 5, 5)), draw((3,))
    expected = functional.leaky_relu(x + bias[:, None, None], 0.2) * math.sqrt(2)
    assert torch.allclose(reference(x, bias, 0.2, math.sqrt(2), -1.0), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape, layout", list(itertools.product(SHAPES, LAYOUTS)))
def test_compiled_is_the_definition(shape, layout, dtype):
    x = draw(shape, dtype, layout)
    for bias, slope, clamp in itertools.product([None, draw(shape[1:2]), draw(shape[1:2], torch.bfloat16)], [0.2, 1.0], [-1.0, 0.7]):
        y, expected = torch.ops.cuda_ops.bias_act(x, bias, slope, 1.3, clamp), reference(x, bias, slope, 1.3, clamp)
        assert y.stride() == expected.stride() and y.dtype == dtype
        torch.testing.assert_close(y, expected, rtol=8e-3 if dtype == torch.bfloat16 else 1e-6, atol=1e-6)
        grad = draw(shape, dtype, seed=1)  # of another layout than y, perhaps
        found = torch.ops.cuda_ops.bias_act_backward(grad, y, slope, 1.3, clamp)
        assert found.stride() == y.stride()
        torch.testing.assert_close(found, reference_backward(grad, y, slope, 1.3, clamp), rtol=8e-3, atol=1e-6)


def test_gaps_and_empty_tensors():
    x = draw((2, 6, 8, 8), layout=torch.channels_last)[:, 1:4, ::2, 1:]
    assert torch.allclose(bias_act(x, torch.ones(3)), reference(x, torch.ones(3), 0.2, math.sqrt(2), -1.0))
    assert bias_act(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    assert bias_act(torch.zeros(2, 0)).shape == (2, 0)


def test_not_a_number_stays_so():
    x = torch.full((1, 2, 8, 8), math.nan)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        assert bias_act(x.to(dtype), torch.ones(2), clamp=1.0).isnan().all()


@pytest.mark.parametrize("clamp", [256 * math.sqrt(0.5), 0.3])
def test_a_clamped_output_passes_no_gradient_in_any_type(clamp):
    """Even where the type cannot hold the limit: 181.02 becomes 181 in bfloat16."""
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        x = torch.tensor([[1000.0, -1000.0, 0.1]], dtype=dtype).expand(9, 3).clone().requires_grad_()
        bias_act(x, clamp=clamp, gain=1.0).sum().backward()
        assert torch.equal(x.grad, torch.tensor([0.0, 0.0, 1.0], dtype=dtype).expand(9, 3))


@pytest.mark.parametrize("activation", ["linear", "lrelu"])
def test_gradients_of_first_and_second_order(activation):
    x = draw((2, 3, 2, 2), torch.float64).requires_grad_()
    bias = draw((3,), torch.float64, seed=1).requires_grad_()

    def function(x, bias):
        return bias_act(x, bias, activation, gain=1.3, clamp=2.0)

    assert torch.autograd.gradcheck(function, (x, bias))
    assert torch.autograd.gradgradcheck(function, (x, bias))


def gradients(x, bias):
    x, bias = x.detach().requires_grad_(), bias.detach().requires_grad_()
    first = torch.autograd.grad(bias_act(x, bias, clamp=2.0).square().sum(), (x, bias), create_graph=True)
    return [*first, *torch.autograd.grad(sum(gradient.square().sum() for gradient in first), (x, bias))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_compiled_gradients_are_those_of_the_definition(layout):
    x, bias = draw((2, 33, 5, 7), layout=layout), draw((33,), seed=1)
    found = gradients(x, bias)
    with native.disabled():
        expected = gradients(x, bias)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-4)


def test_it_is_a_well_behaved_operator():
    x, bias = draw((2, 3, 4, 5), layout=torch.channels_last).requires_grad_(), draw((3,)).requires_grad_()
    torch.library.opcheck(torch.ops.cuda_ops.bias_act.default, (x, bias, 0.2, 1.4, 1.0))
    grad = draw((2, 3, 4, 5)).requires_grad_()
    torch.library.opcheck(torch.ops.cuda_ops.bias_act_backward.default, (grad, x.detach(), 0.2, 1.4, 1.0), test_utils=TRACING)
    for dtype, layout in itertools.product([torch.bfloat16, torch.float64], LAYOUTS):
        x = draw((2, 3, 4, 5), dtype, layout)
        torch.library.opcheck(torch.ops.cuda_ops.bias_act.default, (x, None, 0.2, 1.4, 1.0), test_utils=TRACING)


def test_two_dimensions_are_enough():
    assert bias_act(torch.zeros(4, 3), torch.ones(3)).shape == (4, 3)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="activation 'swish' is unknown"):
        inspect.unwrap(bias_act)(torch.zeros(1, 1), activation="swish")
    with pytest.raises(ValueError, match="gain must be positive, not -1"):
        bias_act(torch.zeros(1, 1), gain=-1.0)
