"""Lessons: the encoder sees one of two twins and is told of both; codes with other faces are told exactly."""

import pytest
import torch

from cddfm.data import Pool
from cddfm.params import FaceParams
from cddfm.stages.views import TOLD_PARTS, known_codes, seen_of, shuffled, twin_views
from cddfm.world import sample_codes
from cddfm.world.codes import split
from cddfm.worlds import ProceduralWorld
from stylespace.encoder import Encoder
from tests.cddfm.standins import numbered_pool, numbers_in

WORLD = ProceduralWorld()
LAYOUT = WORLD.model.layout
READING = -7.0


def reader(images):
    """What stands for an estimator: says the same of every picture."""
    return FaceParams.unflatten(LAYOUT, torch.full((len(images), LAYOUT.total), READING))


def numbered(first, count):
    return numbered_pool(first, sample_codes(range(count)), LAYOUT.total)


@pytest.fixture
def views():
    return twin_views(numbered(0, 12), numbered(100, 8), reader, WORLD, seed=3)


def test_the_second_half_are_partners_of_what_is_seen(views):
    for position in range(0, 80, 8):
        seen, facts, wanted, *_ = views(position, 8, torch.Generator().manual_seed(position))
        assert torch.equal(seen, wanted[:4])
        first, second = numbers_in(wanted).chunk(2)
        has_twin = (first < 8) | (first >= 100)
        assert torch.equal((first - second).abs(), torch.where(has_twin, 100.0, 0.0))
        exact = torch.cat([first, second])
        assert ((facts[:, 0] == exact) | (facts[:, 0] == READING)).all()
        assert torch.equal(facts[4:, 0], second)


def test_codes_are_those_of_the_pictures_and_what_is_beyond_them_makes_up_for_the_rest(views):
    known = {first + row: code for first, count in ((0, 12), (100, 8)) for row, code in enumerate(sample_codes(range(count)))}
    for position in range(0, 80, 8):
        lesson = views(position, 8, torch.Generator().manual_seed(position))
        numbers = numbers_in(lesson.images)
        assert torch.equal(lesson.codes, torch.stack([known[int(number)] for number in numbers]))
        exact = WORLD.params(lesson.codes).flatten() + lesson.beyond
        torch.testing.assert_close(exact, numbers[:, None].expand_as(exact), atol=1e-4, rtol=1e-5)


def test_of_some_pictures_the_reading_is_told(views):
    facts = torch.cat([views(position, 8, torch.Generator().manual_seed(position)).facts for position in range(0, 800, 8)])
    assert 0.03 < float((facts == READING).float().mean()) < 0.2


def test_every_epoch_shows_every_row_once():
    rows = shuffled(10, seed=1)
    first, second = rows(0, 10), rows(10, 10)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()
    assert torch.equal(rows(4, 12), torch.cat([first[4:], second[:6]]))


def test_varied_codes_keep_what_was_seen_and_are_told_exactly():
    torch.manual_seed(0)
    encoder, pool = Encoder(8, w_dim=12, width=8, hidden=8, facts=LAYOUT.total), numbered(0, 6)
    parts = [Pool(pool.images[some], pool.params[some], pool.codes[some]) for some in (slice(4), slice(4, None))]
    codes, w = known_codes(encoder, WORLD, parts, 2, torch.Generator().manual_seed(1))
    assert len(codes) == len(w) == 18
    assert torch.equal(codes[:6], pool.codes)
    told = encoder.step(WORLD.params(codes).flatten() - encoder.mean)
    assert torch.allclose(w - told, seen_of(encoder, pool).repeat(3, 1), atol=1e-5)
    before, after = split(codes[:6]), split(codes[6:12])
    for name in before:
        same = torch.equal(before[name], after[name])
        assert same is (name not in TOLD_PARTS), name
