import pytest
import torch

from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.grain import grain_losses
from stylespace.invert import invert


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    generator = Generator(16, z_dim=8, w_dim=8, channel_base=128, channel_max=16, mapping_layers=2).requires_grad_(False)
    return generator, Encoder(16, w_dim=8, width=8, hidden=12).eval().seen


def pictures(generator, count=2):
    return generator(torch.randn(count, 8, generator=torch.Generator().manual_seed(5)))


def test_optimisation_improves_on_the_encoder(networks):
    generator, encoder = networks
    images = pictures(generator)
    guess, found = (invert(generator, encoder, images, steps) for steps in (0, 60))
    assert torch.all(found.loss < 0.6 * guess.loss)
    assert torch.equal(generator.synthesise(found.s), found.image)
    assert torch.equal(generator.styles(found.w_plus), found.s)
    assert not found.s.requires_grad


def test_no_steps_is_the_encoder(networks):
    generator, encoder = networks
    images = pictures(generator)
    with torch.no_grad():
        expected = generator.styles(generator.broadcast(encoder(images)))
    assert torch.equal(invert(generator, encoder, images, 0).s, expected)


def test_same_picture_same_code_alone_or_in_a_batch(networks):
    generator, encoder = networks
    images = pictures(generator)
    both = invert(generator, encoder, images, 10)
    assert torch.equal(both.s, invert(generator, encoder, images, 10).s)
    assert torch.allclose(invert(generator, encoder, images[1:], 10).s, both.s[1:], atol=1e-2)


def test_features_and_progress_are_used(networks):
    generator, encoder = networks
    images, seen, steps = pictures(generator), [], []

    def features(image):
        seen.append(image.shape)
        return image.mean(dim=(2, 3))

    with torch.no_grad():
        invert(generator, encoder, images, 5, features, lambda step, loss: steps.append((step, float(loss))))
    assert len(seen) == 6
    assert [step for step, _ in steps] == [1, 2, 3, 4, 5]


def test_other_domains_go_half_as_far_from_the_encoders_code(networks):
    generator, encoder = networks
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(6)).clamp(-1, 1)
    guess, found = (invert(generator, encoder, images, steps) for steps in (0, 20))
    assert torch.equal(guess.elsewhere, guess.s)
    assert (found.s - guess.s).abs().max() > 0.1
    torch.testing.assert_close(found.elsewhere, (found.s + guess.s) / 2)


def test_a_picture_of_another_size_is_refused(networks):
    with pytest.raises(ValueError, match="8×8 pixels where the generator makes 16 px"):
        invert(*networks, torch.zeros(1, 3, 8, 8))


def test_what_is_in_doubt_is_not_blurred(networks):
    """A picture that the generator cannot make: noise. By grain, what is made of it is nearer to being as busy."""
    generator, encoder = networks
    noise = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(6)).clamp(-1, 1)
    blurred, grained = (invert(generator, encoder, noise, 40, grain_weight=weight) for weight in (0.0, 1.0))
    assert torch.all(grain_losses(grained.image, noise) < grain_losses(blurred.image, noise) - 0.02)
