"""What is worn is what scenes say, and pictures show it."""

import torch

from cddfm.morphable_world import MorphableWorld
from cddfm.world import sample_codes, scene
from cddfm.world.codes import split
from cddfm.world.hats import KINDS
from cddfm.world.worn import PART_OF, RARE, WORN, conspicuous, worn
from cddfm.worlds import ProceduralWorld

CODES = sample_codes(range(400))


def column(name):
    return worn(CODES)[:, WORN.index(name)]


def test_numbers_are_shares_and_nothing_where_nothing_is_worn():
    found, shown = worn(CODES), scene(CODES)
    assert found.shape == (len(CODES), len(WORN))
    assert 0.0 <= float(found.min()) and float(found.max()) <= 1.0
    bare = (shown.glasses.worn == 0) & (shown.hats.kind == 0)
    assert torch.equal(found.any(dim=1), ~bare)


def test_they_say_what_scenes_show():
    shown = scene(CODES)
    assert torch.equal(column("glasses"), shown.glasses.worn)
    for kind, name in enumerate(KINDS[1:], start=1):
        assert torch.equal(column(name) > 0, shown.hats.kind == kind)
    hatted = shown.hats.kind > 0
    colours = torch.stack([column(f"hat_{name}") for name in ("red", "green", "blue")], dim=1)[hatted]
    torch.testing.assert_close(colours.square(), shown.hats.colours[hatted, 0])


def test_parts_are_at_most_the_whole():
    found = worn(CODES)
    for number, whole in enumerate(PART_OF):
        if whole:
            assert (found[:, number] <= found[:, list(whole)].sum(dim=1)).all()
        else:
            assert set(found[:, number].unique().tolist()) == {0.0, 1.0}


def test_worlds_know_it(tiny_model):
    assert torch.equal(ProceduralWorld().worn(CODES), worn(CODES))
    assert ProceduralWorld().wear == PART_OF and len(PART_OF) == len(WORN)
    plain = MorphableWorld(tiny_model)
    assert plain.wear == () and plain.worn(CODES).shape == (len(CODES), 0)


def test_of_conspicuous_people_more_wear_something_of_every_kind():
    codes = conspicuous(4000, torch.Generator().manual_seed(1))
    found, usual = worn(codes).gt(0).float().mean(dim=0), worn(sample_codes(range(4000))).gt(0).float().mean(dim=0)
    assert (found > 1.5 * usual).all()
    rest = torch.ones(codes.shape[1], dtype=torch.bool)
    place = torch.arange(float(codes.shape[1]))[None]
    for name, number, _ in RARE:
        rest[int(split(place)[name][0, number])] = False
    assert abs(float(codes[:, rest].mean())) < 0.01 and abs(float(codes[:, rest].std()) - 1) < 0.01
