"""A generator of higher resolution draws what the earlier one drew."""

import pytest
import torch

from cuda_ops.upfirdn2d import upsample2d
from stylespace.continued import bordered, continue_generator, fade_in
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


def test_added_blocks_add_no_colours_at_first_and_learn_to():
    torch.manual_seed(0)
    generator = Generator(32, z_dim=8, w_dim=12, mapping_layers=2, **WIDTHS)
    fade_in(generator, 16)
    s = generator.styles(generator.broadcast(torch.randn(2, 12)))
    small, large = (generator.synthesise(s, noise="none", resolution=size) for size in (16, 32))
    assert torch.allclose(large, upsample2d(small), atol=1e-6)
    assert small.std() > 0.1
    large.square().mean().backward()
    assert generator.synthesis.b32.torgb.weight.grad.abs().max() > 0


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_a_wider_generator_draws_the_same_and_learns_with_all_of_it(architecture):
    torch.manual_seed(0)
    earlier = Generator(32, z_dim=8, w_dim=12, mapping_layers=2, architecture=architecture, **WIDTHS)
    wider = Generator(32, z_dim=8, w_dim=12, mapping_layers=2, architecture=architecture, channel_min=14, **WIDTHS)
    new = continue_generator(wider, earlier)
    assert "synthesis.b32.conv1.weight" in new and not any("mapping" in name or "b16" in name for name in new)
    z = torch.randn(3, 8)
    assert torch.allclose(wider(z, noise="none"), earlier(z, noise="none"), atol=1e-5)
    wider(z, noise="none").square().mean().backward()
    assert wider.synthesis.b32.torgb.weight.grad[:, -6:].abs().min() > 0


def test_a_generator_with_another_border_differs_there_alone():
    torch.manual_seed(0)
    generator = Generator(32, z_dim=8, w_dim=12, mapping_layers=2, **WIDTHS)
    other = bordered(generator, 32)
    assert other.arguments == generator.arguments | {"replicate_from": 32}
    assert not any(parameter.requires_grad for parameter in other.parameters())
    s = generator.styles(generator.broadcast(torch.randn(2, 12)))
    before, after = (network.synthesise(s, noise="none") for network in (generator, other))
    inside = (..., slice(6, -6), slice(6, -6))
    torch.testing.assert_close(before[inside], after[inside], atol=1e-5, rtol=1e-5)
    assert (before - after)[..., 0, :].abs().max() > 1e-3
    again = bordered(other, None).synthesise(s, noise="none")
    assert torch.equal(before, again)
