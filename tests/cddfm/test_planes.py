import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cddfm.planes import smooth


@pytest.mark.parametrize(("deviation", "radius"), [(1.5, 5), (2.0, None), (0.7, None)])
def test_it_is_the_gaussian_filter_of_scipy(deviation: float, radius: int | None) -> None:
    planes = torch.rand(2, 3, 20, 31, generator=torch.Generator().manual_seed(0))
    reach = int(np.ceil(3 * deviation)) if radius is None else radius
    expected = gaussian_filter(planes.double().numpy(), deviation, mode="mirror", radius=(0, 0, reach, reach), axes=(0, 1, 2, 3))
    np.testing.assert_allclose(smooth(planes, deviation, radius).numpy(), expected, atol=1e-6)


def test_narrower_than_a_pixel_is_the_pixel() -> None:
    planes = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(smooth(planes, 0.0), planes, atol=1e-4)
