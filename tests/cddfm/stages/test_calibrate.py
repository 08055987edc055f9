"""Calibration mends a manipulator that falls short by a steady factor, and leaves alone what the estimator cannot see."""

import pytest
import torch
from torch import nn

from cddfm.camera import rotation
from cddfm.data import Pool
from cddfm.manipulator import Manipulator
from cddfm.params import ATTRIBUTES, FaceParams
from cddfm.reconstruct import Reconstructor
from cddfm.stages.augment import turn_light
from cddfm.stages.calibrate import LEAST_SEEN, MOST, both_sides, calibrate, each, seen_slopes, sharing, slopes, told_apart
from cddfm.stages.twins import Pairs, Twins
from stylespace.generator import Generator
from tests.cddfm.standins import random_params, small_model

MODEL = small_model()
LAYOUT = MODEL.layout
POSE = LAYOUT.slices["pose"]


class Copying(Generator):
    """Style codes are parameters, pictures are style codes."""

    def __init__(self):
        nn.Module.__init__(self)

    def synthesise(self, s):
        return s[:, None, None, :].expand(-1, 3, 1, -1)


class Estimator(Reconstructor):
    """Reads everything, shrunk to `seen`."""

    def __init__(self, seen):
        nn.Module.__init__(self)
        self.seen = seen

    def forward(self, images):
        return FaceParams.unflatten(LAYOUT, images[:, 0, 0] * self.seen)


class HalfHearted(Manipulator):
    """Writes `done` of what is asked."""

    def __init__(self, done):
        nn.Module.__init__(self)
        self.done, self.gains = done, torch.ones(LAYOUT.total)

    def edit(self, s, deltas):
        edited = s.clone()
        for name, delta in deltas.items():
            part = LAYOUT.slices[name]
            edited[:, part] += self.done * self.gains[part] * delta
        return edited


class Exact(Twins):
    layout = LAYOUT

    def __init__(self):
        """No generator, no world."""

    def draw(self, count, randomness, attribute):
        change = torch.zeros(count, LAYOUT.total)
        part = LAYOUT.slices[attribute]
        change[:, part] = torch.randn(count, part.stop - part.start, generator=randomness)
        s = torch.randn(count, LAYOUT.total, generator=randomness)
        return Pairs(s, s + change, s, change, change[:, :6] != 0)


def portraits_of(flat, monkeypatch):
    """Pools whose pictures are their parameters."""
    monkeypatch.setattr(Pool, "take", lambda self, rows: (self.params[rows][:, None, None, :].expand(-1, 3, 1, -1), self.params[rows]))
    return Pool(torch.zeros(len(flat), 3, 1, 1, dtype=torch.uint8), flat, torch.zeros(len(flat), 2))


def run(done, seen):
    manipulator = HalfHearted(done)
    before = calibrate(manipulator, Copying(), Estimator(seen), Exact(), torch.full((LAYOUT.total,), seen), samples=64)
    return manipulator.gains, before


def test_what_falls_short_is_asked_for_more():
    gains, before = run(0.8, 0.7)
    assert torch.allclose(gains[POSE], torch.full((3,), 1.25), atol=1e-4)
    assert torch.allclose(before["pose"], torch.full((3,), 0.56), atol=1e-4)
    assert torch.allclose(gains[LAYOUT.slices["light"]], torch.full((27,), 1.25), atol=1e-4)
    assert (gains[LAYOUT.slices["translation"]] == 1).all()


def test_no_factor_is_beyond_the_limit():
    assert run(0.4, 0.9)[0].max() <= MOST


def test_what_is_not_seen_keeps_its_gain():
    assert (run(0.8, 0.9 * LEAST_SEEN)[0] == 1).all()
    assert torch.allclose(run(0.8, 1.1 * LEAST_SEEN)[0][POSE], torch.full((3,), 1.25), atol=1e-3)


class Confused(Reconstructor):
    """Takes half of what it sees of skin for shade: the light that it reads is too low by half of the first albedo number."""

    def __init__(self):
        nn.Module.__init__(self)
        self.layout = LAYOUT

    def forward(self, images):
        flat = images[:, 0, 0].clone()
        flat[:, LAYOUT.slices["light"]] -= 0.5 * flat[:, LAYOUT.slices["albedo"].start, None]
        return FaceParams.unflatten(LAYOUT, flat)


def test_what_is_seen_of_true_changes_comes_from_twins_where_there_are_any(monkeypatch):
    light, albedo, pose = (LAYOUT.slices[name] for name in ("light", "albedo", "pose"))
    flat = random_params(MODEL, 64).flatten()
    flat[:, light] = flat[:, albedo.start, None]  # who is darker stands in the shade
    other = flat[:40].clone()
    other[:, light] += torch.randn(40, 1, generator=torch.Generator().manual_seed(1))
    other[20:, pose] += 5.0  # two at once teach nothing
    portraits, twins = portraits_of(flat, monkeypatch), portraits_of(other, monkeypatch)
    seen = seen_slopes(Confused(), portraits, twins, 64)
    assert torch.allclose(seen[light], torch.ones(27), atol=1e-4)
    assert torch.allclose(seen[pose], torch.ones(3), atol=1e-4)
    assert torch.allclose(seen_slopes(Confused(), portraits, twins.first(0), 64)[light], torch.full((27,), 0.5), atol=1e-4)


def test_slopes():
    asked = torch.tensor([[1.0, 0.0], [-2.0, 1.0]])
    got = torch.tensor([[0.5, 9.0], [-1.0, 2.0]])
    assert torch.allclose(slopes(asked, got, each(2)), torch.tensor([0.5, 2.0]))
    assert torch.allclose(slopes(asked, got, [range(2)]), torch.full((2,), 4.5 / 6))


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_parameter_has_a_factor(attribute):
    size = LAYOUT.sizes[attribute]
    names = MODEL.expression_names
    assert sorted(place for part in sharing(attribute, size, names) for place in part) == list(range(size))


def test_orders_of_the_light_are_what_its_turning_keeps_apart():
    turned = rotation(torch.tensor([[0.3, -0.7, 0.2]]))
    for part in sharing("light", 27):
        light = torch.zeros(1, 27)
        part = list(part)
        light[:, part] = torch.randn(1, len(part), generator=torch.Generator().manual_seed(0))
        after = turn_light(light, turned)
        assert after[:, part].norm().item() == pytest.approx(light.norm().item(), rel=0.5)
        after[:, part] = 0
        assert after.abs().max() < 1e-4


def test_both_sides_of_a_face_have_one_factor():
    names = ("jawOpen", "smile_L", "smile_R", "mouthLeft", "mouthRight", "alone_L")
    assert [list(places) for places in both_sides(names, 7)] == [[0], [1, 2], [3, 4], [5], [6]]


def test_the_lights_direction_is_calibrated_by_lights_that_are_carried_around():
    asked = torch.ones(4, 27)
    asked[:2, :3] = 0.0
    counts = told_apart("light", asked)
    assert counts[:, :3].all() and counts[:2].all() and not counts[2:, 3:].any()
    assert told_apart("light", asked[2:]).all()  # none is carried: all count
    assert told_apart("pose", torch.zeros(4, 3)).all()
