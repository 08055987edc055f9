"""What is to be learned of landmarks follows the pictures that are learned from, and is learned."""

import pytest
import torch

from cddfm.data import Pool
from cddfm.head import build_head
from cddfm.landmarks import MIRRORED, Landmarker
from cddfm.params import FaceParams
from cddfm.planes import centres
from cddfm.render import project_landmarks
from cddfm.stages.augment import Strength
from cddfm.stages.landmarks import LandmarkStage, gaussian, landmarks_of
from tests.cddfm.standins import random_params

STILL = Strength(*[0.0] * 10)
SIDE = 32


def dots(landmarks: torch.Tensor) -> torch.Tensor:
    """Pictures in which a bright dot stands at landmark 30, the tip of the nose, and a red one at 36, the outer corner of an eye."""
    place, (x, y) = centres(SIDE, landmarks), landmarks[:, [30, 36], :, None, None].unbind(2)
    away = (place[None, :] - x) ** 2 + (place[:, None] + y) ** 2
    bright, red = (-away / (2 * 0.1**2)).exp().unbind(1)
    return (255 * torch.stack([(bright + red).clamp(max=1), bright, bright], dim=1)).to(torch.uint8)


@pytest.fixture(scope="module")
def model():
    return build_head().model


@pytest.fixture(scope="module")
def pool(model) -> Pool:
    params = random_params(model, 24)
    params = params.replace(translation=params.translation * 0.2)
    images = dots(project_landmarks(model, params))
    return Pool(images, params.flatten(), torch.zeros(24, 1))


def stage_of(model, *pools: Pool, strength: Strength = STILL, batch: int = 8, total: int = 8) -> LandmarkStage:
    torch.manual_seed(0)
    network = Landmarker(SIDE, widths=(8, 16, 16), top=8)
    return LandmarkStage(network=network, model=model, pools=pools, total_images=total, batch=batch, learning_rate=1e-2, strength=strength)


def brightest(plane: torch.Tensor) -> torch.Tensor:
    """ndc of the brightest pixel."""
    row, column = divmod(int(plane.argmax()), plane.shape[1])
    place = centres(SIDE, torch.zeros(1))
    return torch.stack([place[column], -place[row]])


def test_pictures_and_landmarks_are_moved_and_mirrored_together(model, pool):
    moving = Strength(0.2, 0.2, 0.4, *[0.0] * 7)
    stage = stage_of(model, pool, strength=moving, batch=24)
    images, landmarks = stage.sample(torch.Generator().manual_seed(3))
    inside = landmarks[:, 30].abs().amax(dim=1) < 0.9
    assert inside.sum() > 6
    for image, points in zip(images[inside], landmarks[inside], strict=True):
        assert (brightest(image.sum(dim=0)) - points[30]).norm() < 2 / SIDE + 0.05


def test_a_mixture_of_the_same_scenes_keeps_their_landmarks(model, pool):
    black = Pool(torch.zeros_like(pool.images), pool.params, pool.codes)
    stage = stage_of(model, pool, black, batch=64)
    images, landmarks = stage.sample(torch.Generator().manual_seed(0))
    known = torch.cat([stage.landmarks, stage.landmarks[:, list(MIRRORED)] * torch.tensor([-1.0, 1.0])])
    nearest = (landmarks[:, None] - known[None]).abs().amax(dim=(2, 3)).amin(dim=1)
    assert nearest.max() < 1e-5
    peaks = images.amax(dim=(1, 2, 3))
    assert (peaks > 0.8).sum() > 20, "half are portraits alone"
    assert (peaks < 0.5).sum() > 8, "and others are not"


def test_pools_of_other_scenes_are_refused(model, pool):
    other = Pool(pool.images, pool.params + 1, pool.codes)
    with pytest.raises(ValueError, match="the same scenes"):
        stage_of(model, pool, other)


def test_shares_of_a_gaussian_add_up_and_lie_about_their_place():
    shares = gaussian(torch.tensor([[0.13, -0.4, 3.0]]), 32)
    assert torch.allclose(shares.sum(dim=-1), torch.ones(1, 3))
    assert (shares @ centres(32, shares))[0, :2].tolist() == pytest.approx([0.13, -0.4], abs=1e-4)
    assert int(shares[0, 2].argmax()) == 31


def test_all_landmarks_of_a_pool_are_those_of_its_parameters(model, pool):
    one = FaceParams.unflatten(model.layout, pool.params[5:6])
    assert torch.allclose(landmarks_of(model, pool)[5:6], project_landmarks(model, one), atol=1e-5)


def test_landmarks_are_learnt(model, pool):
    stage = stage_of(model, pool, total=1200, batch=24)
    reports = [stage.step(position, torch.Generator().manual_seed(position)) for position in range(0, 1200, 24)]
    first, last = (sum(float(report["distance"]) for report in part) / 5 for part in (reports[:5], reports[-5:]))
    assert last < 0.4 * first
    assert float(reports[-1]["surprise"]) < float(reports[0]["surprise"])


def test_a_step_depends_on_its_generator_alone(model, pool):
    drawn = [stage_of(model, pool, strength=Strength()).sample(torch.Generator().manual_seed(4)) for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*drawn, strict=True))
