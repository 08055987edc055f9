"""The fused layer against the composition in float64: values, first and second gradients, tracing."""

import subprocess
import sys

import pytest
import torch

from cuda_ops import native
from cuda_ops.modulated_conv import composed_layer, styled_conv2d

pytestmark = pytest.mark.usefixtures("compiled", "seeded")


def draw(up, noises, batch=2, inside=24, outside=40, size=9):
    random = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64)

    noise = normal(noises, 1, size * up, size * up) if noises else None
    style = 1 + 0.3 * normal(batch, inside)
    return [normal(batch, inside, size, size), normal(outside, inside, 3, 3), style, noise, normal(outside)]


CASES = [(1, 1, True, -1.0), (2, 2, True, 0.9), (1, 0, False, 20.0), (2, 0, True, -1.0), (1, 2, True, 0.5)]


@pytest.mark.parametrize("up, noises, demodulate, clamp", CASES)
@pytest.mark.parametrize("size", [8, 33])
def test_values_and_gradients_of_two_orders(up, noises, demodulate, clamp, size):
    how = (up, demodulate, 1.4, 0.2, clamp)
    layer = draw(up, noises, size=size)
    exact = [tensor if tensor is None else tensor.clone().requires_grad_() for tensor in layer]
    ours = [tensor if tensor is None else tensor.float().requires_grad_() for tensor in layer]
    expected, found = composed_layer(*exact, *how), torch.ops.cuda_ops.styled_conv2d(*ours, *how)
    exact, ours = ([tensor for tensor in tensors if tensor is not None] for tensors in (exact, ours))
    assert_close(found, expected)
    grad = torch.randn_like(expected)
    first = torch.autograd.grad(expected, exact, grad, create_graph=True)
    fused = torch.autograd.grad(found, ours, grad.float(), retain_graph=True)
    differentiable = torch.autograd.grad(found, ours, grad.float(), create_graph=True)
    for a, b, c in zip(fused, differentiable, first, strict=True):
        assert_close(a, c)
        assert_close(b, c)
    directions = [torch.randn_like(gradient) for gradient in first]
    second = torch.autograd.grad(first, exact[:3], directions)
    ours_second = torch.autograd.grad(differentiable, ours[:3], [direction.float() for direction in directions])
    for a, b in zip(ours_second, second, strict=True):
        assert_close(a, b)


def assert_close(found, expected, tolerance=3e-5):
    error = (found - expected).abs().max() / expected.abs().max().clamp(min=1e-3)
    assert error < tolerance, error.item()


def test_only_what_is_asked_for_gets_a_gradient():
    x, weight, style, noise, bias = (tensor.float() for tensor in draw(1, 1))
    style.requires_grad_()
    styled_conv2d(x, weight, style, noise, bias).sum().backward()
    assert style.grad is not None and weight.grad is None


def test_registration():
    layer = [tensor.float() for tensor in draw(2, 1, size=5)]
    torch.library.opcheck(torch.ops.cuda_ops.styled_conv2d.default, (*layer, 2, True, 1.4, 0.2, -1.0))
    layer = [tensor.requires_grad_() for tensor in layer]
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.cuda_ops.styled_conv2d.default, (*layer, 2, True, 1.4, 0.2, -1.0), test_utils=tests)


COMPILED = """
import torch
from cuda_ops.modulated_conv import styled_conv2d

torch.manual_seed(0)
layer = [torch.randn(2, 8, 5, 5), torch.randn(6, 8, 3, 3), torch.randn(2, 8, requires_grad=True), torch.randn(1, 1, 10, 10), torch.randn(6)]
compiled = torch.compile(styled_conv2d, fullgraph=True, backend="aot_eager")
found, expected = compiled(*layer, up=2), styled_conv2d(*layer, up=2)
assert torch.allclose(found, expected, atol=1e-5)
(a,), (b,) = (torch.autograd.grad(picture.square().sum(), layer[2]) for picture in (found, expected))
assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)
"""


def test_it_compiles_as_one_graph_with_its_backward():
    """In a process of its own, where no type checks are traced."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_compiled_operators_the_composition_is_used():
    layer = [tensor.float() for tensor in draw(2, 1)]
    fused = styled_conv2d(*layer, up=2)
    with native.disabled():
        assert torch.allclose(styled_conv2d(*layer, up=2), fused, atol=2e-5)
