"""Tests of compiled operators need a compiler; without one there is nothing to test."""

import pytest
import torch

from cuda_ops import native


@pytest.fixture(scope="session")
def compiled():
    if not native.load("cpu"):
        pytest.skip("the compiled CPU operators cannot be built here")


@pytest.fixture(params=["compiled", "torch"])
def implementation(request):
    """Everything twice: by the compiled operators, and by the torch code that says what they compute."""
    if request.param == "compiled":
        request.getfixturevalue("compiled")
        yield
    else:
        with native.disabled():
            yield


@pytest.fixture
def seeded():
    torch.manual_seed(0)
