"""What is kept of a weight goes with it, and is made again when it changes."""

import gc
import weakref

import pytest
import torch

from cuda_ops.kept import kept


def test_it_is_made_once_per_state_of_the_weight():
    weight, made = torch.ones(3), []

    def double(weight):
        made.append(1)
        return weight * 2

    assert torch.equal(kept(weight, "double", double), torch.full((3,), 2.0))
    kept(weight, "double", double)
    assert len(made) == 1
    weight.add_(1)
    assert torch.equal(kept(weight, "double", double), torch.full((3,), 4.0))
    assert len(made) == 2


@pytest.mark.parametrize("fused", [False, True])
def test_it_follows_optimisers_fused_ones_too(fused):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.5, fused=fused)
    for _ in range(3):
        assert torch.equal(kept(weight, "double", lambda weight: weight * 2), weight.detach() * 2)
        weight.grad = torch.ones(3)
        optimizer.step()


def test_it_holds_no_weight_alive():
    weight = torch.ones(3)
    value = weakref.ref(kept(weight, "double", lambda weight: weight * 2))
    assert value() is not None
    del weight
    gc.collect()
    assert value() is None


def test_inference_tensors_are_never_kept():
    with torch.inference_mode():
        weight = torch.ones(3)
    with torch.inference_mode():
        assert kept(weight, "double", lambda weight: weight * 2)[0] == 2
        weight.add_(1)
        assert kept(weight, "double", lambda weight: weight * 2)[0] == 4
