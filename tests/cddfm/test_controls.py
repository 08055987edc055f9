import math

import pytest
import torch

from cddfm.controls import Changes, Controls
from cddfm.errors import UserError
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams


@pytest.fixture(scope="module")
def controls(tiny_model: MorphableModel) -> Controls:
    return Controls(tiny_model)


@pytest.fixture(scope="module")
def params(tiny_model: MorphableModel) -> FaceParams:
    flat = torch.randn(3, tiny_model.layout.total, generator=torch.Generator().manual_seed(0))
    return FaceParams.unflatten(tiny_model.layout, flat)


def test_pose_is_degrees_outside_and_radians_inside(controls: Controls, params: FaceParams) -> None:
    deltas = controls.parse("yaw=20, pitch=-5", "pose").deltas(params)
    assert set(deltas) == {"pose"}
    assert torch.allclose(deltas["pose"], torch.tensor([[math.radians(-5), math.radians(20), 0.0]]).expand(3, 3))


def test_pairs_and_aliases_reach_both_sides(controls: Controls, params: FaceParams) -> None:
    both = controls.parse("mouthSmile=0.5", "expression").deltas(params)["expression"]
    assert torch.equal(controls.parse("smile=0.5", "expression").deltas(params)["expression"], both)
    assert (both[0] != 0).sum() == 2
    left = controls.parse("mouthSmile_L=0.5", "expression").deltas(params)["expression"]
    assert (left[0] != 0).sum() == 1
    added = controls.parse("smile=0.5,mouthSmile_L=0.25", "expression").deltas(params)["expression"]
    assert torch.equal(added, both + left / 2)


def test_shape_and_albedo_are_standard_deviations(controls: Controls, params: FaceParams) -> None:
    changes = controls.parse("width=2", "shape") + controls.parse("tone=-1", "albedo")
    deltas = changes.deltas(params)
    assert set(deltas) == {"identity", "albedo"}
    assert deltas["identity"].sum() == 6
    assert deltas["albedo"].sum() == -3


def test_light_is_turned_from_where_it_is(controls: Controls, params: FaceParams) -> None:
    there = params.light + controls.parse("azimuth=40", "light").deltas(params)["light"]
    back = controls.parse("azimuth=-40", "light").deltas(params.replace(light=there))["light"]
    assert torch.allclose(there + back, params.light, atol=1e-5)
    assert (there - params.light).abs().max() > 0.1


def test_light_factors_scale(controls: Controls, params: FaceParams) -> None:
    doubled = controls.parse("intensity=2", "light").deltas(params)["light"]
    assert torch.allclose(doubled, params.light, atol=1e-6)
    ambient = controls.parse("ambient=0", "light").deltas(params)["light"]
    assert torch.allclose(ambient[:, :3], -params.light[:, :3])
    assert not ambient[:, 3:].any()


def test_nothing_to_change_is_an_absent_attribute(controls: Controls, params: FaceParams) -> None:
    for text, group in (("yaw=0", "pose"), ("intensity=1,azimuth=0", "light"), ("", "shape"), ("smile=0", "expression")):
        changes = controls.parse(text, group)
        assert changes.deltas(params) == {}
        assert not changes
    assert Changes().deltas(params) == {}


def test_a_later_value_of_one_control_holds(controls: Controls) -> None:
    changes = controls.parse("yaw=10,roll=3", "pose") + controls.parse("yaw=5", "pose")
    assert str(changes) == "yaw +5°, roll +3°"


@pytest.mark.parametrize(
    ("text", "group", "part"),
    [
        ("jwOpen=1", "expression", "'jawOpen'"),
        ("yaw=20", "light", "--pose"),
        ("yaw=90", "pose", "-45 to 45"),
        ("yaw=nan", "pose", "-45 to 45"),
        ("yaw=left", "pose", "not a number"),
        ("yaw", "pose", "name=value"),
        ("yaw=1,yaw=2", "pose", "twice"),
    ],
)
def test_mistakes_are_named(controls: Controls, text: str, group: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        controls.parse(text, group)
    assert part in str(caught.value)


def test_sweeps_include_their_ends(controls: Controls) -> None:
    assert [str(changes) for changes in controls.parse_sweep("yaw=-30:30:3")] == ["yaw -30°", "yaw +0°", "yaw +30°"]
    for text in ("yaw=-30:30", "yaw=-30:30:1", "yaw=0:90:3", "yow=0:1:2", "yaw"):
        with pytest.raises(UserError):
            controls.parse_sweep(text)


def test_warmth_and_tint_colour_the_light(controls, tiny_model):
    params = FaceParams.neutral(tiny_model.layout, 1)
    change = controls.parse("warmth=1,tint=1", "light").deltas(params)["light"][0, :3] / params.light[0, :3]
    assert change.tolist() == pytest.approx([0.25, -0.25, -0.25], abs=1e-6)
