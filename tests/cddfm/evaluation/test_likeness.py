import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from cddfm.evaluation.likeness import MARGIN, cosine, face_mask, outside, psnr, ssim, ssim_map
from cddfm.images import LUMA
from cddfm.params import FaceParams
from cddfm.render import render
from tests.cddfm.standins import small_model


def noise(seed: int, side: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_psnr_of_a_known_error() -> None:
    a = torch.zeros(1, 3, 8, 8)
    assert float(psnr(a, a + 0.2)) == pytest.approx(20)
    assert float(psnr(a, a)) == pytest.approx(100)


def test_ssim_agrees_with_scikit_image() -> None:
    a, b = noise(0), 0.6 * noise(0) + 0.4 * noise(1)
    grey = [((image + 1) / 2 * torch.tensor(LUMA).view(3, 1, 1)).sum(dim=1).double().numpy() for image in (a, b)]
    for k in range(2):
        options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
        _, expected = structural_similarity(grey[0][k], grey[1][k], **options)
        assert np.abs(ssim_map(a, b)[k, 0].numpy() - expected)[6:-6, 6:-6].max() < 1e-3
    assert ssim(a, a).tolist() == pytest.approx([1, 1])


def test_ssim_looks_where_it_is_told() -> None:
    a = noise(2)
    b = a.clone()
    b[:, :, :, 16:] = noise(3)[:, :, :, 16:]
    left = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    left[..., :10] = True
    assert ssim(a, b, left).tolist() == pytest.approx([1, 1])
    assert ssim(a, b, ~left).max() < 0.7
    assert torch.isnan(ssim(a, b, torch.zeros_like(left))).all()


def test_outside_keeps_away_from_both_masks() -> None:
    one, other = (torch.zeros(1, 1, 50, 50, dtype=torch.bool) for _ in range(2))
    one[0, 0, 10, 10] = other[0, 0, 30, 30] = True
    away = outside(one, other)
    reach = round(MARGIN * 50)
    assert not away[0, 0, 10 + reach, 10 - reach]
    assert not away[0, 0, 30, 30 + reach]
    assert away[0, 0, 10 + reach + 1, 10]
    assert int((~away).sum()) == 2 * (2 * reach + 1) ** 2


def test_the_mask_is_the_renderers() -> None:
    model = small_model()
    params = FaceParams.neutral(model.layout, 2).replace(pose=torch.tensor([[0.0, 0.3, 0.0], [0.0, 0.0, 0.2]]))
    assert torch.equal(face_mask(model, params, 32), render(model, params, 32).mask > 0)


def test_cosine() -> None:
    one, other = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert cosine(one, other).tolist() == pytest.approx([1, math.sqrt(0.5)])
