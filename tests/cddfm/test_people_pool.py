"""People: the same person has the same face in other poses, other people have others, and no pool meets another."""

import pytest
import torch

from cddfm import people_pool
from cddfm.data import HELD_OUT_SEED
from cddfm.params import FaceParams
from cddfm.people_pool import (
    HELD_OUT_PERSON,
    MOST_PEOPLE,
    PEOPLE_SEED,
    People,
    draw_people,
    join_people,
    person_codes,
)
from cddfm.recipes.recognition import FIRST_PERSON, RecipeOptions
from cddfm.world import scene
from cddfm.world.codes import split
from cddfm.worlds import ProceduralWorld


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[People, object]:
    cache = tmp_path_factory.mktemp("cache")
    return draw_people(3, 4, 16, cache), cache


def test_one_person_keeps_the_face_and_changes_the_rest(drawn):
    params = FaceParams.unflatten(ProceduralWorld().model.layout, drawn[0].pool.params)
    for group in ("identity", "albedo"):
        values = getattr(params, group).unflatten(0, (3, 4))
        assert torch.equal(values, values[:, :1].expand_as(values))
        assert not torch.allclose(values[0, 0], values[1, 0])
    for group in ("pose", "light", "expression", "translation"):
        values = getattr(params, group)
        assert len(values.unique(dim=0)) == 12, group


def test_hair_changes_in_every_second_picture_and_skin_never():
    part = split(person_codes(7, 6))
    for name in ("hair_style", "hair_colour", "hair"):
        assert torch.equal(part[name][::2], part[name][:1].expand(3, -1))
        assert len(part[name].unique(dim=0)) == 4
    shown = scene(person_codes(7, 6))
    for value in (shown.iris, shown.skin, shown.presentation):
        assert torch.equal(value, value[:1].expand_as(value))


def test_people_are_numbered_and_taken_as_floating_pictures(drawn):
    people, _ = drawn
    assert people.numbers.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    images, numbers = people.take(torch.tensor([1, 9]))
    assert images.shape == (2, 3, 16, 16)
    assert numbers.tolist() == [0, 2]
    assert -1 <= images.min() < images.max() <= 1
    assert len(join_people([people, people])) == 24


def test_what_was_drawn_is_read_again_and_does_not_depend_on_the_first(drawn, monkeypatch):
    people, cache = drawn
    assert torch.equal(draw_people(1, 4, 16, first=2).pool.images, people.pool.images[8:])
    monkeypatch.setattr(ProceduralWorld, "portraits", lambda *_: pytest.fail("drawn again"))
    assert torch.equal(draw_people(3, 4, 16, cache).pool.images, people.pool.images)


def test_finished_shards_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(people_pool, "SHARD", 4)
    draw_people(2, 2, 16, tmp_path)
    draw_people(3, 2, 16, tmp_path)
    assert sorted(path.name.split("-")[3] for path in tmp_path.iterdir()) == ["0", "2"]


def test_seeds_of_people_belong_to_nobody_else(monkeypatch):
    seeds: list[int] = []
    sample = people_pool.training_codes
    monkeypatch.setattr(people_pool, "training_codes", lambda asked: seeds.extend(asked) or sample(asked))
    for person in (0, 1, MOST_PEOPLE - 1):
        person_codes(person, 8)
    assert len(set(seeds)) == 24
    assert min(seeds) > PEOPLE_SEED
    assert max(seeds) < HELD_OUT_SEED
    for preset in RecipeOptions.presets:
        people = {**RecipeOptions.presets[preset]}.get("people", RecipeOptions().people)
        assert FIRST_PERSON["recogniser"] + people <= FIRST_PERSON["identity_judge"] < HELD_OUT_PERSON - people
    with pytest.raises(ValueError, match="fewer than 1,000 pictures"):
        person_codes(0, 1000)
    with pytest.raises(ValueError, match="500,000 people"):
        person_codes(MOST_PEOPLE, 1)
