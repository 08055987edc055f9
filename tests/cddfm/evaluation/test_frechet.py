from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch

from cddfm.data import HELD_OUT_SEED, draw_pool
from cddfm.evaluation import exhibition, frechet
from cddfm.evaluation.exhibition import Exhibition
from cddfm.evaluation.frechet import (
    MOST_IMAGES,
    WORLD_SEEDS,
    Distance,
    Gaussian,
    frechet_distance,
    gaussian_of,
    generated,
    measure_distance,
)
from cddfm.evaluation.goals import DISTANCE_MARGIN, DISTANCE_RATIO, goals
from cddfm.images import eight_bit
from cddfm.worlds import ProceduralWorld
from tests.cddfm.evaluation.standins import SIDE, SpelledStack
from tests.cddfm.standins import small_generator


def gaussian(mean: torch.Tensor, covariance: torch.Tensor) -> Gaussian:
    return Gaussian(10, mean.double(), covariance.double())


def samples(count: int, features: int, seed: int) -> torch.Tensor:
    """Correlated, and far from zero."""
    randomness = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=randomness, dtype=torch.float64)
    return torch.randn(count, features, generator=randomness, dtype=torch.float64) @ mixing + 5


def nothing(count: int) -> None:
    """Nobody watches."""


def test_one_batch_at_a_time_gives_the_sample_covariance() -> None:
    x = samples(57, 6, 0) + 1e4
    found = Gaussian.of(x.split(10))
    assert found.count == 57
    np.testing.assert_allclose(found.mean, x.mean(dim=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.numpy(), rowvar=False), rtol=1e-9)
    with pytest.raises(ValueError, match="two pictures"):
        Gaussian.of([x[:1]])


def test_covariances_that_commute_have_a_closed_form() -> None:
    """With shared axes the distance is the one between means and between deviations, axis by axis."""
    axes = torch.linalg.qr(samples(5, 5, 1)).Q
    one, other = torch.tensor([4.0, 1.0, 0.0, 2.0, 9.0]).double(), torch.tensor([1.0, 1.0, 3.0, 0.0, 4.0]).double()
    a, b = (
        gaussian(axes @ torch.full((5,), value, dtype=torch.float64), (axes * scale) @ axes.T)
        for value, scale in ((0.0, one), (0.3, other))
    )
    assert frechet_distance(a, b) == pytest.approx(float(5 * 0.09 + (one.sqrt() - other.sqrt()).square().sum()), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_distance_is_the_one_by_roots_of_matrices(seed: int) -> None:
    a, b = Gaussian.of([samples(40, 7, seed)]), Gaussian.of([samples(30, 7, seed + 10)])
    root = scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy()).real
    expected = ((a.mean - b.mean) ** 2).sum() + a.covariance.trace() + b.covariance.trace() - 2 * np.trace(root)
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(float(expected), rel=1e-8)


@pytest.mark.parametrize("count", [12, 50], ids=["fewer pictures than features", "more"])
def test_equal_sets_have_no_distance_and_a_shift_its_square(count: int) -> None:
    x = samples(count, 20, 2)
    shift = torch.linspace(-1, 1, 20).double()
    one, moved = Gaussian.of([x]), Gaussian.of([x + shift])
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-10 * one.variance)
    assert frechet_distance(one, moved) == pytest.approx(float(shift.square().sum()), rel=1e-8)


def test_the_worlds_sets_are_held_out_apart_and_sitters_as_they_are(tmp_path: Path) -> None:
    a, b, made = *WORLD_SEEDS, frechet.GENERATED_SEED
    assert HELD_OUT_SEED < a
    assert min(b - a, made - b) >= MOST_IMAGES
    world = ProceduralWorld()
    (pixels,) = Exhibition(world, "portrait", 16, tmp_path).shards(3, 1, nothing)
    assert pixels.shape == (1, 3, 16, 16)
    pool = draw_pool("portrait", 1, 16, "cpu", seed=4, drawn=32)
    (same,) = Exhibition(world, "portrait", 16, tmp_path).shards(4, 1, nothing)
    assert torch.equal(pool.images, same), "seed 4 is not among the lively or acting ones, and is drawn as training draws it"
    lively = draw_pool("portrait", 1, 16, "cpu", seed=3, drawn=32)
    assert not torch.equal(lively.images, pixels)


def test_drawing_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhibition, "SHARD", 4)
    monkeypatch.setattr(exhibition, "DRAW_BATCH", 2)
    world = SpelledStack(tmp_path).world
    draw, asked = world.portraits, []

    def portraits(codes: torch.Tensor, *rest):
        asked.append(len(codes))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return draw(codes, *rest)

    monkeypatch.setattr(world, "portraits", portraits)
    toons = Exhibition(world, "toon", SIDE, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(toons.shards(0, 9, nothing))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"distance-toon-{SIDE}-of-{2 * SIDE}-0-4-world2.pt"]
    drawn: list[int] = []
    pixels = torch.cat(list(toons.shards(0, 9, drawn.append)))
    assert asked == [2, 2, 2, 2, 2, 2, 1], "only what was lost is drawn again"
    assert drawn == [4, 2, 2, 1]
    assert torch.equal(pixels, torch.cat(list(toons.shards(0, 9, nothing))))
    assert len(asked) == 7
    assert Exhibition(world, "toon", 256, tmp_path).drawn_at == 256


def test_generated_pictures_depend_on_their_own_seed() -> None:
    generator = small_generator()
    pixels = torch.cat(list(generated(generator, 7, 3, "cpu")))
    assert pixels.dtype == torch.uint8
    (second,) = generated(generator, 8, 1, "cpu")
    assert torch.equal(second, pixels[1:2])
    z = torch.randn(8, generator=torch.Generator().manual_seed(8))[None]
    assert torch.equal(second, eight_bit(generator(z).detach()))


def test_a_generator_of_the_worlds_own_pictures_is_as_far_as_the_world(tmp_path: Path) -> None:
    stack = SpelledStack(tmp_path)
    portraits = Exhibition(stack.world, "portrait", SIDE, tmp_path)
    drawn: list[int] = []
    found = measure_distance(stack.judge.features, stack.generator, portraits, "portrait", 300, drawn.append)
    assert sum(drawn) == 900
    assert found.images == 300
    assert found.features == stack.model.layout.total
    assert 0 < found.of_means < found.generated < found.variance
    assert found.ratio == pytest.approx(1, abs=0.25)
    sets = [gaussian_of(stack.judge.features, portraits.shards(seed, 300, nothing), "cpu") for seed in WORLD_SEEDS]
    assert found.world == frechet_distance(*sets)

    def shifted(s: torch.Tensor) -> torch.Tensor:
        return stack.generator.__class__.synthesise(stack.generator, s + 0.2)

    stack.generator.synthesise = shifted
    worse = measure_distance(stack.judge.features, stack.generator, portraits, "portrait", 300, nothing)
    assert worse.world == found.world
    assert worse.of_means == pytest.approx(0.04 * found.features, rel=0.3)
    assert worse.ratio > 2


def test_the_worlds_sets_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = SpelledStack(tmp_path)
    first = frechet.domain_distance(stack, "toon", 5, tmp_path)

    def never(*_: object) -> None:
        raise AssertionError("all of these are in the folder")

    monkeypatch.setattr(stack.world, "portraits", never)
    assert first.images == 5
    assert frechet.domain_distance(stack, "toon", 5, tmp_path) == first


@pytest.mark.parametrize(("excess", "met"), [(-0.01, True), (0.01, False)])
def test_the_goal_is_the_ratio_with_its_margin(excess: float, met: bool) -> None:
    made = 2 * (DISTANCE_RATIO + DISTANCE_MARGIN + excess)
    distance = Distance("clay", 5000, 384, made, 0.1, 2.0, 90.0)
    (goal,) = goals([], ("linear", "cddfm"), "cddfm", [distance])
    assert goal.name == "Fréchet distance, clay / the world's own"
    assert goal.target == f"≤ {DISTANCE_RATIO + DISTANCE_MARGIN:g}"
    assert goal.values["linear"] == goal.values["cddfm"] == distance.ratio == made / 2
    assert goal.met is met
    assert goal.met_on_scale is None
    assert Distance("clay", 5000, 384, 1.0, 0.1, 0.0, 90.0).ratio is None
