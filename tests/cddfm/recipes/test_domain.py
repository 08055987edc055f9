"""A domain's lessons: the codes of twins, and the domain's pictures of both."""

import torch

from cddfm.recipes.domain import pairs_of
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from tests.cddfm.standins import numbered_pool, numbers_in

FACTS = 5


def test_the_second_half_are_the_twins_of_the_first_and_seen_through_their_pictures():
    torch.manual_seed(0)
    generator = Generator(8, z_dim=8, w_dim=12, channel_base=64, channel_max=8, mapping_layers=2).requires_grad_(False)
    encoder = Encoder(8, w_dim=12, width=8, hidden=8, facts=FACTS)
    codes = torch.zeros(12, 1)
    portraits, drawings = numbered_pool(0, codes, FACTS), numbered_pool(100, codes, FACTS)
    pairs = pairs_of(generator, encoder, portraits, drawings, seed=3)
    drawn = set()
    for position in (0, 8, 16):
        s, pictures = pairs(position, 8, torch.Generator())
        rows = numbers_in(pictures).long() - 100
        assert torch.equal(rows[4:], (rows[:4] + 6) % 12)
        seen, facts = portraits.take(rows)
        w = torch.cat([encoder.seen(seen[:4])] * 2) + encoder.step(facts - encoder.mean)
        assert torch.allclose(s, generator.styles(generator.broadcast(w)), atol=1e-5)
        drawn |= set(rows.tolist())
    assert drawn == set(range(12))
