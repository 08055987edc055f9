"""The predictor: raw units on both sides, and a loud failure when it collapses."""

import pytest
import torch

from cddfm.errors import UserError
from cddfm.params import ParamStatistics
from cddfm.predictor import Predictor, require_variance, variance_ratio
from tests.cddfm.standins import SIZES


def test_predicts_in_raw_units():
    torch.manual_seed(0)
    predictor = Predictor(10, SIZES, hidden=(16,))
    total = predictor.layout.total
    mean = torch.arange(float(total))
    predictor.statistics.fit(ParamStatistics(mean, torch.ones(total)))
    predictor.styles.fit(ParamStatistics(torch.full((10,), 5.0), torch.full((10,), 3.0)))
    s = 5 + 3 * torch.randn(200, 10)
    assert torch.allclose(predictor(s).flatten().mean(dim=0), mean, atol=0.1)


def test_collapse_is_reported():
    true = torch.randn(50, 6)
    assert variance_ratio(true, true) == pytest.approx(1.0)
    require_variance(float(variance_ratio(0.5 * true, true)), 1000)
    for bad in (float(variance_ratio(0.01 * true, true)), float("nan")):
        with pytest.raises(UserError, match=r"collapsed to the mean face: after 1,000 images .* lower the learning rate"):
            require_variance(bad, 1000)
