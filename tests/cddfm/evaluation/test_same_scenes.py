from functools import cached_property
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cddfm.errors import UserError
from cddfm.evaluation import same_scenes
from cddfm.evaluation.exhibition import Exhibition
from cddfm.evaluation.frechet import WORLD_SEEDS, frechet_distance, gaussian_of
from cddfm.evaluation.same_scenes import SHOWN, SIGHTS, WORLD, Nearness, Scenes, measure_nearness
from cddfm.morphable import MorphableModel
from cddfm.world.codes import CODE_DIM
from domains.codes import code_rotation
from domains.kinds import KINDS
from domains.registry import SOURCE
from tests.cddfm.evaluation.standins import SIDE, STRENGTH, SpelledStack, Speller

COUNT = 120
SPARE = 7


class Knowing(Speller):
    """A generator whose z holds scene codes, and whose mapping knows what the world makes of them, but for a shift."""

    def __init__(self, model: MorphableModel, shift: float):
        super().__init__(model)
        self.z_dim, self.shift = CODE_DIM + SPARE, shift

    def map(self, z: Tensor) -> Tensor:
        codes = z @ code_rotation(self.z_dim)
        return self.neutral + 0.2 * codes[:, : self.neutral.shape[1]] + self.shift


class KnowingStack(SpelledStack):
    """One that the world draws two domains for, and one domain more that it does not know."""

    def __init__(self, folder: Path, mapped: float = 0.0, encoded: float = 0.0):
        super().__init__(folder)
        self.mapped, self.encoded = mapped, encoded

    @cached_property
    def generator(self) -> Knowing:
        return Knowing(self.model, self.mapped)

    def encoder(self, images: Tensor, told: Tensor) -> Tensor:
        torch.testing.assert_close(self.judge(images).flatten(), told.clamp(-STRENGTH, STRENGTH), atol=0.02, rtol=0)
        return told + self.encoded

    def domains(self) -> list[str]:
        return [SOURCE, "fresco", "toon"]


def measured(stack: SpelledStack, count: int = COUNT) -> dict[tuple[str, str, str], Nearness]:
    return {(near.domain, near.kind, near.sight): near for near in measure_nearness(stack, count, stack.folder)[0]}


def test_the_worlds_own_pictures_are_no_distance_away_and_others_as_far_as_they_are_shifted(tmp_path: Path) -> None:
    found = measured(KnowingStack(tmp_path, encoded=0.1))
    assert set(found) == {(domain, kind, sight) for domain in (SOURCE, "toon") for kind in KINDS for sight in SIGHTS}
    for near in found.values():
        wanted = 0.0 if near.kind == "mapped" else 0.01 * KnowingStack(tmp_path).model.layout.total
        assert near.scenes == COUNT
        assert near.of_means == pytest.approx(wanted, rel=0.05, abs=1e-4 * near.variance)
        assert near.distance == pytest.approx(wanted, rel=0.05, abs=1e-3 * near.variance)


def test_states_are_told_apart_that_sets_of_other_scenes_do_not_tell_apart(tmp_path: Path) -> None:
    one, other = (measured(KnowingStack(tmp_path, mapped=shift))[SOURCE, "mapped", "judge"].distance for shift in (0.02, 0.024))
    stack = KnowingStack(tmp_path)
    exhibition = Exhibition(stack.world, SOURCE, SIDE, tmp_path)
    sets = [gaussian_of(stack.judge.features, exhibition.shards(seed, COUNT, lambda _: None), "cpu") for seed in WORLD_SEEDS]
    chance = frechet_distance(*sets)
    assert 1.2 * one < other
    assert other - one < 0.1 * chance


def test_pictures_of_the_first_scenes_lie_one_below_the_other(tmp_path: Path) -> None:
    _, rows = measure_nearness(KnowingStack(tmp_path, encoded=0.3), COUNT, tmp_path)
    assert [(row.title, row.subtitle) for row in rows] == [(domain, of) for domain in (SOURCE, "toon") for of in (WORLD, *KINDS)]
    assert all(len(row.cells) == SHOWN for row in rows)
    world, encoded, mapped = (torch.stack([cell.image for cell in row.cells]) for row in rows[:3])
    torch.testing.assert_close(mapped, world, atol=0.02, rtol=0)
    assert (encoded - world).abs().max() > 0.05


def test_the_world_draws_once_and_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(same_scenes, "counting", lambda advance: told.append)
    stack = KnowingStack(tmp_path)
    first = measured(stack)
    assert sum(told) == 3 * COUNT

    def never(*_: object) -> None:
        raise AssertionError("all of these are in the folder")

    monkeypatch.setattr(stack.world, "portraits", never)
    assert measured(stack) == first


def test_a_scene_is_the_same_among_more(tmp_path: Path) -> None:
    few, more = (Scenes.of(KnowingStack(tmp_path), count, tmp_path, lambda _: None) for count in (3, 60))
    for kind in KINDS:
        torch.testing.assert_close(few.w[kind], more.w[kind][:3], atol=1e-5, rtol=0)


def test_a_generator_whose_z_holds_no_scene_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    stack = SpelledStack(tmp_path)
    assert stack.generator.z_dim < CODE_DIM
    with pytest.raises(UserError, match=f"a z of {stack.generator.z_dim} numbers, which cannot hold a scene's code of {CODE_DIM}"):
        measure_nearness(stack, 4, tmp_path)
    assert not list(tmp_path.iterdir())
