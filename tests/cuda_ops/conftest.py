"""Tests of compiled operators need a compiler; without one there is nothing to test."""

import pytest
import torch

from cuda_ops import native


@pytest.fixture(scope="session")
def compiled():
    if not native.load("cpu"):
        pytest.skip("the compiled CPU operators cannot be built here")


@pytest.fixture
def seeded():
    torch.manual_seed(0)
