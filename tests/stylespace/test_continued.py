"""A generator of higher resolution draws what the earlier one drew; an encoder keeps the blocks behind its new front."""

import pytest
import torch

from stylespace.continued import continue_encoder, continue_generator
from stylespace.encoder import Encoder
from stylespace.generator import Generator

WIDTHS = {"channel_base": 256, "channel_max": 16}


def test_the_larger_generator_draws_the_same_at_the_earlier_resolution():
    torch.manual_seed(0)
    earlier = Generator(16, z_dim=8, w_dim=12, mapping_layers=2, **WIDTHS)
    larger = Generator(32, z_dim=10, w_dim=12, mapping_layers=2, **WIDTHS)
    new = continue_generator(larger, earlier)
    w = torch.randn(2, 12)
    small = earlier.synthesise(earlier.styles(earlier.broadcast(w)), noise="none")
    same = larger.synthesise(larger.styles(larger.broadcast(w)), noise="none", resolution=16)
    assert torch.allclose(small, same, atol=1e-6)
    assert new and all("b32" in name or "mapping" in name for name in new)


def test_the_encoder_keeps_what_lies_behind_its_front():
    torch.manual_seed(0)
    earlier, larger = Encoder(8, w_dim=12, **WIDTHS), Encoder(32, w_dim=12, **WIDTHS)
    new = continue_encoder(larger, earlier)
    assert all(name.startswith(("fromrgb", "blocks.0.", "blocks.1.")) for name in new)
    assert torch.equal(larger.blocks[2].conv0.weight, earlier.blocks[0].conv0.weight)
    assert torch.equal(larger.out.weight, earlier.out.weight)
    same = Encoder(8, w_dim=12, **WIDTHS)
    assert continue_encoder(same, earlier) == []
    image = torch.randn(2, 3, 8, 8)
    assert torch.equal(same(image), earlier(image))
    with pytest.raises(ValueError, match="32 px cannot be continued at 8 px"):
        continue_encoder(earlier, larger)
