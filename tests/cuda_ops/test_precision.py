"""Exact is the weights' type; fast is bfloat16 only where units for it are."""

import pytest
import torch

from cuda_ops import precision
from cuda_ops.precision import activation_dtype


@pytest.mark.parametrize("units, expected", [(True, torch.bfloat16), (False, torch.float32)])
def test_fast_needs_units(units, expected, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda _: units)
    assert activation_dtype("fast", torch.ones(1)) == expected
    assert activation_dtype("exact", torch.ones(1)) == torch.float32
    assert activation_dtype("fast", torch.ones(1, dtype=torch.float64)) == torch.float64
