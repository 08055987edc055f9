from dataclasses import fields

import pytest
import torch

from cddfm.render import render
from cddfm.world import CODE_DIM, STYLES, draw, sample_codes, scene
from cddfm.world.assets import assets


@pytest.fixture(scope="module")
def codes() -> torch.Tensor:
    return sample_codes(range(40, 46))


@pytest.fixture(scope="module")
def drawn(codes):
    return {style: draw(scene(codes), 32, style) for style in STYLES}


def test_code_of_a_seed_does_not_depend_on_its_company():
    assert torch.equal(sample_codes([7])[0], sample_codes([3, 7, 9])[1])
    assert sample_codes([]).shape == (0, CODE_DIM)
    assert sample_codes(range(200)).std() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("style", STYLES)
def test_same_seed_alone_or_in_a_batch_gives_the_same_picture(drawn, style):
    """Up to rounding of products whose order depends on the batch."""
    alone = draw(scene(sample_codes([43])), 32, style)
    for name in ("image", "mask", "landmarks"):
        torch.testing.assert_close(getattr(alone, name)[0], getattr(drawn[style], name)[3], atol=2e-3, rtol=0)


def test_pictures_are_finite_in_range_and_various(drawn):
    for portraits in drawn.values():
        assert torch.isfinite(portraits.image).all()
        assert portraits.image.min() >= -1 and portraits.image.max() <= 1
        assert (portraits.image[:, None] - portraits.image[None]).abs().mean((2, 3, 4)).fill_diagonal_(1).min() > 0.05
        assert ((portraits.mask.mean((1, 2, 3)) > 0.1) & (portraits.mask.mean((1, 2, 3)) < 0.6)).all()


def test_styles_differ_in_look_and_share_every_parameter(codes, drawn):
    first, second = scene(codes), scene(codes)
    for field in fields(first.params):
        assert torch.equal(getattr(first.params, field.name), getattr(second.params, field.name))
    assert (drawn["portrait"].image - drawn["toon"].image).abs().mean() > 0.1
    assert (drawn["portrait"].landmarks - drawn["toon"].landmarks).abs().mean() < 0.1


def test_portrait_agrees_with_the_renderer_about_face_and_landmarks(codes, drawn):
    seen = scene(codes)
    rendering = render(assets().model, seen.params, 32, supersample=2)
    torch.testing.assert_close(rendering.landmarks, drawn["portrait"].landmarks, atol=1e-5, rtol=0)
    face = drawn["portrait"].mask * rendering.mask
    assert face.sum() > 0.85 * drawn["portrait"].mask.sum()
    assert ((rendering.image - drawn["portrait"].image).abs() * face).sum() / (3 * face.sum()) < 0.15


def test_scene_slices(codes, drawn):
    part = scene(codes)[2:4]
    assert len(part) == 2 and len(part.params) == 2 and part.hair.colour.shape == (2, 3)
    torch.testing.assert_close(draw(part, 32).image, drawn["portrait"].image[2:4], atol=2e-3, rtol=0)


def test_distributions_are_as_documented():
    many = scene(sample_codes(range(600)))
    degrees = torch.rad2deg(many.params.pose)
    assert degrees.abs().amax(0)[0] < 26 and degrees.abs().amax(0)[1] < 43
    assert (degrees.std(0) - torch.tensor([8.5, 18.5, 7.0])).abs().max() < 1.5
    expression = many.params.expression
    assert expression.min() >= 0 and expression.max() <= 1 and (expression.amax(0) > 0.1).all()
    assert 1.5 < (expression > 0.02).float().sum(1).mean() < 6
    assert 0.05 < many.glasses[:, 0].mean() < 0.25
    assert many.hair.style.unique().numel() >= 9 and many.backdrop_kind.unique().numel() == 5


def test_unknown_style_is_refused_by_name(codes):
    with pytest.raises(ValueError, match=r"no style 'oil'; choose one of portrait, toon"):
        draw(scene(codes[:1]), 16, "oil")
