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
from cddfm.stages.calibrate import LEAST_SEEN, MOST, Trial, both_sides, calibrate, each, sharing, slopes, told_apart, trials_of
from cddfm.stages.twins import Twins
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
        self.layout, self.done, self.gains = LAYOUT, done, torch.ones(LAYOUT.total)

    def edit(self, s, deltas):
        edited = s.clone()
        for name, delta in deltas.items():
            part = LAYOUT.slices[name]
            edited[:, part] += self.done * self.gains[part] * delta
        return edited


def portraits_of(flat, monkeypatch):
    """Pools whose pictures are their parameters."""
    monkeypatch.setattr(Pool, "take", lambda self, rows: (self.params[rows][:, None, None, :].expand(-1, 3, 1, -1), self.params[rows]))
    return Pool(torch.zeros(len(flat), 3, 1, 1, dtype=torch.uint8), flat, torch.zeros(len(flat), 2))


def trial(attribute, seen, randomness):
    asked = torch.randn(64, LAYOUT.sizes[attribute], generator=randomness)
    return Trial(torch.randn(64, LAYOUT.total, generator=randomness), asked, seen * asked)


def run(done, seen, tried=ATTRIBUTES):
    manipulator, randomness = HalfHearted(done), torch.Generator().manual_seed(0)
    trials = {attribute: trial(attribute, seen, randomness) for attribute in tried}
    before = calibrate(manipulator, Copying(), Estimator(seen), trials)
    return manipulator.gains, before


def test_what_falls_short_is_asked_for_more():
    gains, before = run(0.8, 0.7)
    assert torch.allclose(gains[POSE], torch.full((3,), 1.25), atol=1e-4)
    assert torch.allclose(before["pose"], torch.full((3,), 0.56), atol=1e-4)
    assert torch.allclose(gains[LAYOUT.slices["light"]], torch.full((27,), 1.25), atol=1e-4)
    assert (gains[LAYOUT.slices["translation"]] == 1).all()


def test_what_is_not_tried_keeps_its_gain():
    gains, before = run(0.8, 0.7, tried=["pose"])
    assert before.keys() == {"pose"}
    assert (gains[POSE] != 1).all() and (gains[: POSE.start] == 1).all() and (gains[POSE.stop :] == 1).all()


def test_no_factor_is_beyond_the_limit():
    assert run(0.4, 0.9)[0].max() <= MOST


def test_what_is_not_seen_keeps_its_gain():
    assert (run(0.8, 0.9 * LEAST_SEEN)[0] == 1).all()
    assert torch.allclose(run(0.8, 1.1 * LEAST_SEEN)[0][POSE], torch.full((3,), 1.25), atol=1e-3)


class Squaring(Estimator):
    """Sees less of small changes than of large ones."""

    def forward(self, images):
        flat = images[:, 0, 0]
        return FaceParams.unflatten(LAYOUT, self.seen * flat * flat.abs())


def test_edits_are_held_beside_changes_of_their_own_size():
    manipulator, estimator, randomness = HalfHearted(1.0), Squaring(0.8), torch.Generator().manual_seed(0)
    asked = 0.3 * torch.rand(64, 3, generator=randomness)
    s = torch.zeros(64, LAYOUT.total)
    calibrate(manipulator, Copying(), estimator, {"pose": Trial(s, asked, 0.8 * asked * asked.abs())})
    assert torch.allclose(manipulator.gains[POSE], torch.ones(3), atol=1e-4), "what is done whole is not stretched"


class Starting(Twins):
    layout = LAYOUT

    def __init__(self):
        """No generator, no world."""

    def starting(self, pool, rows, randomness):
        return pool.params[rows].repeat(2, 1)


def test_trials_are_pairs_in_which_one_attribute_changes(monkeypatch):
    light, pose = LAYOUT.slices["light"], POSE
    flat = random_params(MODEL, 40).flatten()
    other = flat.clone()
    other[:, light] += torch.randn(40, 1, generator=torch.Generator().manual_seed(1))
    other[20:30, pose] += 0.5
    other[30:, pose] += 0.5
    other[30:, LAYOUT.slices["identity"]] += 1.0  # two at once teach nothing
    trials = trials_of(Starting(), Estimator(0.5), portraits_of(flat, monkeypatch), portraits_of(other, monkeypatch))
    assert trials.keys() == {"light", "pose"}
    assert torch.equal(trials["light"].s, flat[:20].repeat(2, 1)) and torch.equal(trials["pose"].s, flat[20:30].repeat(2, 1))
    for part, trial in ((light, trials["light"]), (pose, trials["pose"])):
        assert trial.asked.shape == (len(trial.s), part.stop - part.start)
        assert torch.allclose(trial.seen, 0.5 * trial.asked, atol=1e-5)
    assert torch.allclose(trials["pose"].asked, torch.full((20, 3), 0.5), atol=1e-5)


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
