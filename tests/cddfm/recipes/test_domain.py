"""A domain's lessons: the codes of twins, by the encoder and by the mapping, and the domain's pictures of both."""

import torch

from cddfm.recipes.domain import pairs_of
from cddfm.world import sample_codes
from cddfm.worlds import ProceduralWorld
from domains.codes import latents
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from tests.cddfm.standins import numbered_pool, numbers_in

WORLD = ProceduralWorld()
FACTS = WORLD.model.layout.total


def test_the_second_half_are_the_twins_of_the_first_and_seen_through_their_pictures_and_by_their_codes():
    torch.manual_seed(0)
    codes = sample_codes(range(12))
    generator = Generator(8, z_dim=codes.shape[1] + 4, w_dim=12, channel_base=64, channel_max=8, mapping_layers=2).requires_grad_(False)
    encoder = Encoder(8, w_dim=12, width=8, hidden=8, facts=FACTS)
    portraits, drawings = numbered_pool(0, codes, FACTS), numbered_pool(100, codes, FACTS)
    pairs = pairs_of(generator, encoder, WORLD, portraits, drawings, seed=3)
    drawn = set()
    for position in (0, 8, 16):
        s, pictures = pairs(position, 8, torch.Generator().manual_seed(position))
        rows = numbers_in(pictures).long() - 100
        assert torch.equal(rows[4:], (rows[:4] + 6) % 12)
        seen, facts = portraits.take(rows)
        by_sight = torch.cat([encoder.seen(seen[:4])] * 2) + encoder.step(facts - encoder.mean)
        z = latents(codes[rows], 4, generator.z_dim, torch.Generator().manual_seed(position))
        by_code = generator.map(z) + encoder.step(facts - WORLD.params(codes[rows]).flatten())
        expected = generator.styles(generator.broadcast(torch.cat([by_sight, by_code])))
        torch.testing.assert_close(s, expected, atol=1e-4, rtol=0.0)
        drawn |= set(rows.tolist())
    assert drawn == set(range(12))
