import math

import pytest
import torch

from cuda_ops.bias_act import bias_act


def test_definition():
    x = torch.tensor([[[[-2.0, 3.0]]]])
    assert torch.allclose(bias_act(x, torch.tensor([1.0])), torch.tensor([[[[-0.2, 4.0]]]]) * math.sqrt(2))
    assert torch.equal(bias_act(x, torch.tensor([1.0]), "linear", gain=2.0, clamp=5.0), torch.tensor([[[[-2.0, 5.0]]]]))
    assert torch.equal(bias_act(x, None, "linear"), x)


@pytest.mark.parametrize("activation", ["linear", "lrelu"])
def test_gradients_of_first_and_second_order(activation):
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def function(x, bias):
        return bias_act(x, bias, activation, gain=1.3, clamp=2.0)

    assert torch.autograd.gradcheck(function, (x, bias))
    assert torch.autograd.gradgradcheck(function, (x, bias))


def test_two_dimensions_are_enough():
    assert bias_act(torch.zeros(4, 3), torch.ones(3)).shape == (4, 3)
