import math
from dataclasses import fields

import pytest
import torch

from cddfm.render import render
from cddfm.styles import STYLES
from cddfm.world import CODE_DIM, draw, sample_codes, scene
from cddfm.world.assets import assets
from cddfm.world.hairstyles import STYLES as HAIR_STYLES
from cddfm.world.people import PITCH_LIMIT, ROLL_LIMIT, YAW_LIMIT

SIZE = 32


@pytest.fixture(scope="module")
def codes() -> torch.Tensor:
    return sample_codes(range(40, 45))


@pytest.fixture(scope="module")
def drawn(codes):
    return {style: draw(scene(codes), SIZE, style) for style in STYLES}


def test_code_of_a_seed_does_not_depend_on_its_company():
    assert torch.equal(sample_codes([7])[0], sample_codes([3, 7, 9])[1])
    assert sample_codes([]).shape == (0, CODE_DIM)
    assert sample_codes(range(200)).std() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("style", STYLES)
def test_same_seed_alone_or_in_a_batch_gives_the_same_picture(drawn, style):
    alone = draw(scene(sample_codes([43])), SIZE, style)
    for name in ("image", "mask", "landmarks"):
        torch.testing.assert_close(getattr(alone, name)[0], getattr(drawn[style], name)[3], atol=2e-3, rtol=0)


def test_pictures_are_finite_in_range_and_various(drawn):
    for style, portraits in drawn.items():
        assert torch.isfinite(portraits.image).all()
        assert portraits.image.min() >= -1 and portraits.image.max() <= 1
        apart = 0.03 if style in ("clay", "sketch") else 0.05
        assert (portraits.image[:, None] - portraits.image[None]).abs().mean((2, 3, 4)).fill_diagonal_(1).min() > apart
        assert ((portraits.mask.mean((1, 2, 3)) > 0.05) & (portraits.mask.mean((1, 2, 3)) < 0.6)).all()


def test_styles_differ_in_look_and_share_person_and_parameters(codes, drawn):
    first, second = scene(codes), scene(codes)
    for field in fields(first.params):
        assert torch.equal(getattr(first.params, field.name), getattr(second.params, field.name))
    for style in STYLES[1:]:
        assert (drawn["portrait"].image - drawn[style].image).abs().mean() > 0.02
        limit = 0.1 if style == "toon" else 1e-6
        assert (drawn["portrait"].landmarks - drawn[style].landmarks).abs().mean() < limit
    grey = drawn["clay"].image
    assert (grey.amax(1) - grey.amin(1)).mean() < 0.1


def test_portrait_agrees_with_the_renderer_about_face_and_landmarks(codes, drawn):
    seen = scene(codes)
    rendering = render(assets().model, seen.params, SIZE, supersample=2)
    torch.testing.assert_close(rendering.landmarks, drawn["portrait"].landmarks, atol=1e-4, rtol=0)
    face = drawn["portrait"].mask * rendering.mask
    assert face.sum() > 0.85 * drawn["portrait"].mask.sum()
    assert ((rendering.image - drawn["portrait"].image).abs() * face).sum() / (3 * face.sum()) < 0.22


def test_scene_slices(codes, drawn):
    part = scene(codes)[2:4]
    assert len(part) == 2 and len(part.params) == 2 and part.hair.colour.shape == (2, 3) and part.clothes.colours.shape == (2, 3, 3)
    torch.testing.assert_close(draw(part, SIZE).image, drawn["portrait"].image[2:4], atol=2e-3, rtol=0)


def test_poses_reach_everywhere_and_who_faces_the_camera_mostly_sits_straight():
    pose = scene(sample_codes(range(1500))).params.pose
    pitch, yaw, roll = pose.t()
    assert pitch.abs().max() < PITCH_LIMIT and yaw.abs().max() < YAW_LIMIT and roll.abs().max() < ROLL_LIMIT
    assert math.radians(24) < yaw.std() < math.radians(32)
    turned = yaw.abs() > math.radians(30)
    assert pitch[turned].std() > math.radians(10) and roll[turned].std() > math.radians(6.5)
    frontal = yaw.abs() < math.radians(15)
    assert pitch[frontal].abs().median() < math.radians(6) and pitch[frontal].abs().max() > math.radians(14)


def test_people_are_various():
    many = scene(sample_codes(range(1500)))
    expression = many.params.expression
    assert expression.min() >= 0 and expression.max() <= 1 and (expression.amax(0) > 0.5).all()
    assert many.hair.style.unique().numel() == len(HAIR_STYLES)
    assert many.backdrop_kind.unique().numel() == 8 and many.clothes.kind.unique().numel() == 8
    assert 0.08 < many.glasses.worn.mean() < 0.22 and 0.08 < (many.hats.kind > 0).float().mean() < 0.18
    bearded = many.whiskers.zones.amax(1) > 0
    assert 0.15 < bearded.float().mean() < 0.40 and not bearded[many.presentation < 0].any()


def test_unknown_style_is_refused_by_name(codes):
    with pytest.raises(ValueError, match=r"no style 'oil'; choose one of portrait, toon, clay, painting, sketch"):
        draw(scene(codes[:1]), 16, "oil")


def test_no_seed_gives_a_broken_picture():
    portraits = draw(scene(sample_codes(range(24))), 16, supersample=1)
    assert torch.isfinite(portraits.image).all() and torch.isfinite(portraits.mask).all()


def test_pictures_do_not_depend_on_the_number_of_threads(codes, drawn):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        shared = draw(scene(codes), SIZE)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(shared.image, drawn["portrait"].image, atol=2e-3, rtol=0)
