"""Minimal filtering against torch's convolutions in float64: values, gradients, second gradients, every scheme."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cuda_ops import winograd
from cuda_ops.winograd import SCHEMES, Scheme, choose

pytestmark = pytest.mark.usefixtures("compiled", "seeded")


def by_definition(x, weight, kind, transposed, mirrored):
    weight = weight.transpose(0, 1) if transposed else weight
    weight = weight.flip(2, 3) if mirrored else weight
    if kind == "same":
        return functional.conv2d(x, weight, padding=1)
    if kind == "up":
        return functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return functional.conv2d(x, weight, stride=2)


def draw(kind, transposed=False, batch=2, inside=5, outside=7, height=9, width=6):
    random = torch.Generator().manual_seed(0)
    if kind == "down":
        height, width = 2 * height + 1, 2 * width + 1
    x = torch.randn(batch, inside, height, width, generator=random, dtype=torch.float64)
    shape = (inside, outside, 3, 3) if transposed else (outside, inside, 3, 3)
    return x, torch.randn(shape, generator=random, dtype=torch.float64)


def assert_close(found, expected, tolerance=2e-6):
    error = (found - expected).abs().max() / expected.abs().max()
    assert error < tolerance, error.item()


@pytest.mark.parametrize("kind", ["same", "up", "down"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [(1, 5, 7, 9, 6), (2, 24, 40, 4, 4), (3, 33, 16, 17, 13), (1, 1, 1, 1, 1), (1, 16, 3, 40, 40)])
def test_values_and_gradients_of_two_orders(kind, transposed, mirrored, size):
    exact = [tensor.requires_grad_() for tensor in draw(kind, transposed, *size)]
    ours = [tensor.detach().float().requires_grad_() for tensor in exact]
    expected = by_definition(*exact, kind, transposed, mirrored)
    found = torch.ops.cuda_ops.convolve3x3(*ours, kind, transposed, mirrored)
    assert_close(found, expected)
    grad = torch.randn_like(expected)
    first = torch.autograd.grad(expected, exact, grad, create_graph=True)
    ours_first = torch.autograd.grad(found, ours, grad.float(), create_graph=True)
    directions = [torch.randn_like(gradient) for gradient in first]
    second = torch.autograd.grad(first, exact, directions)
    ours_second = torch.autograd.grad(ours_first, ours, [direction.float() for direction in directions])
    for a, b in zip((*ours_first, *ours_second), (*first, *second), strict=True):
        assert_close(a, b, 1e-5)


@pytest.mark.parametrize("kind, scheme", [(kind, scheme) for kind, schemes in SCHEMES.items() for scheme in schemes])
def test_every_scheme(kind, scheme, monkeypatch):
    monkeypatch.setattr(winograd, "choose", lambda *_: scheme)
    x, weight = draw(kind, inside=40, outside=24, height=13, width=22)
    found = winograd.convolve(x.float(), weight.float(), kind)
    assert_close(found, by_definition(x, weight, kind, False, False))
    if kind != "down":
        grad = torch.randn_like(found, dtype=torch.float64)
        weight.requires_grad_()
        (expected,) = torch.autograd.grad(by_definition(x, weight, kind, False, False), weight, grad)
        assert_close(winograd.weight_gradient(x.float(), grad.float(), kind), expected, 1e-5)


def test_rounding_is_at_most_twice_that_of_adding_products_one_by_one():
    """512 channels: the sums are long, and fewer products make up for the transforms. (How a library adds up depends on the processor.)"""
    x, weight = draw("same", batch=1, inside=512, outside=64, height=32, width=32)
    expected = by_definition(x, weight, "same", False, False)
    found = winograd.convolve(x.float(), weight.float(), "same")
    assert choose("same", 1, 32, 32) == Scheme.LARGE
    patches = functional.unfold(x.float(), 3, padding=1)[0].numpy()
    sums = np.stack([np.cumsum(row[:, None] * patches, axis=0, dtype=np.float32)[-1] for row in weight.float().flatten(1)[:8].numpy()])
    one_by_one = torch.from_numpy(sums).view(1, 8, 32, 32)
    assert rms(found - expected) < 2 * rms(one_by_one - expected[:, :8])
    assert rms(found - expected) < 3e-6 * rms(expected)


def rms(x: torch.Tensor) -> float:
    return float(x.square().mean().sqrt())


def test_few_tiles_choose_schemes_with_small_weights():
    assert choose("same", 1, 4, 4) != Scheme.LARGE
    assert choose("same", 1, 64, 64) == Scheme.LARGE
    assert choose("up", 1, 9, 9) == Scheme.DIRECT_UP
    assert choose("up", 8, 129, 129) == Scheme.LARGE_UP


def test_a_changed_weight_is_transformed_again():
    x, weight = (tensor.float() for tensor in draw("same"))
    before = winograd.convolve(x, weight, "same")
    weight.mul_(2)
    assert torch.allclose(winograd.convolve(x, weight, "same"), 2 * before, rtol=1e-5, atol=1e-5)


def test_registration():
    x, weight = (tensor.float().requires_grad_() for tensor in draw("same"))
    torch.library.opcheck(torch.ops.cuda_ops.convolve3x3.default, (x, weight, "same", False, False))
    torch.library.opcheck(torch.ops.cuda_ops.convolve3x3.default, (x.detach(), weight.detach(), "up", False, True))
    torch.library.opcheck(torch.ops.cuda_ops.convolve3x3_weight.default, (x, torch.randn(2, 3, 9, 6), "same"))


def test_wrong_shapes_are_refused():
    x, weight = (tensor.float() for tensor in draw("same"))
    with pytest.raises(RuntimeError, match="another scheme or size"):
        winograd.convolve(x[:, :4], weight, "same")
