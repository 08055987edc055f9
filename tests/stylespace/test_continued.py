"""A generator of higher resolution draws what the earlier one drew."""

import torch

from stylespace.continued import continue_generator
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
