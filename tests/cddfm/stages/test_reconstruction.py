"""The reconstruction stage learns, and its statistics are those of augmented labels."""

from dataclasses import replace

import pytest
import torch

from cddfm.data import Pool
from cddfm.reconstruct import Reconstructor
from cddfm.stages.augment import Strength
from cddfm.stages.reconstruction import ReconstructionStage
from stylespace.trunks import TRUNKS
from tests.cddfm.standins import SIZES, small_pool


@pytest.mark.parametrize("architecture", TRUNKS)
def test_pose_error_falls(egg, architecture):
    torch.manual_seed(0)
    network = Reconstructor(architecture, 16, SIZES, width=8, hidden=16)
    still = Strength(*[0.0] * 10)
    pools = [small_pool(egg), small_pool(egg)]
    stage = ReconstructionStage(
        network=network, model=egg, pools=pools, twins=pools, total_images=640, batch=16, learning_rate=5e-3, strength=still
    )
    reports = [stage.step(position, torch.Generator().manual_seed(position)) for position in range(0, 640, 16)]
    first, last = (sum(float(report["pose"]) for report in part) for part in (reports[:5], reports[-5:]))
    assert last < 0.5 * first
    assert {"loss", "pose_degrees", "landmarks_percent", "identity", "translation"} <= reports[0].keys()


def test_statistics_include_augmentation(egg):
    network = Reconstructor("plain", 16, SIZES, width=8, hidden=16)
    pool = small_pool(egg)
    ReconstructionStage(network=network, model=egg, pools=[pool], twins=[pool], total_images=16, batch=4, strength=Strength(scale=0.5))
    assert network.statistics.deviation[-1] > 2 * pool.params.std(dim=0)[-1]


def test_changes_are_read_where_pairs_differ(egg):
    """A network that says the same of both misses all of the change, and nothing of what is alike."""
    network = Reconstructor("plain", 16, SIZES, width=8, hidden=16)
    pool = small_pool(egg)
    other = pool.params.clone()
    other[:, egg.layout.slices["expression"]] += 0.5
    still = Strength(*[0.0] * 10)
    stage = ReconstructionStage(
        network=network, model=egg, pools=[pool], twins=[replace(pool, params=other)], total_images=16, batch=16, strength=still
    )
    report = stage.step(0, torch.Generator().manual_seed(0))
    expected = (0.5 / network.statistics.deviation[egg.layout.slices["expression"]]).square().mean()
    assert float(report["expression_change"]) == pytest.approx(float(expected), rel=0.05)
    assert float(report["pose_change"]) < 1e-3


@pytest.mark.parametrize(("batch", "twins"), [(3, 24), (4, 12)])
def test_pictures_come_in_pairs(egg, batch, twins):
    network, pool = Reconstructor("plain", 16, SIZES, width=8, hidden=16), small_pool(egg)
    fewer = Pool(pool.images[:twins], pool.params[:twins], pool.codes[:twins])
    with pytest.raises(ValueError, match="pairs"):
        ReconstructionStage(network=network, model=egg, pools=[pool], twins=[fewer], total_images=16, batch=batch)
