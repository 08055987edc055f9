import pytest
import torch
from torch.nn import functional

from cddfm.attention import landmark_bumps
from cddfm.camera import to_ndc, to_pixels
from cddfm.head import build_head
from cddfm.morphable import MorphableModel
from cddfm.motion import head_motion
from cddfm.params import FaceParams
from cddfm.render import project_landmarks, render

SIDE = 96


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return build_head().model


def posed(model: MorphableModel, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0, **expression: float) -> FaceParams:
    params = FaceParams.neutral(model.layout, 1)
    return params.replace(pose=torch.tensor([[pitch, yaw, roll]]).deg2rad(), expression=model.expression(expression)[None])


def test_what_does_not_move_stays_where_it_is_at_any_resolution(head: MorphableModel) -> None:
    params = posed(head, 5.0, 10.0)
    motion = head_motion(head, params, params, SIDE)
    assert not motion.back.any()
    assert motion.seen.all()
    for side in (SIDE, 131):
        image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        assert torch.equal(motion.carry(image), image)


@pytest.mark.parametrize("change", [{"yaw": 20.0}, {"pitch": -12.0}, {"roll": 15.0}, {"jawOpen": 1.0}, {"mouthSmile": 1.0}])
def test_every_landmark_that_is_seen_comes_from_where_it_was(head: MorphableModel, change: dict[str, float]) -> None:
    before, after = posed(head), posed(head, **change)
    motion = head_motion(head, before, after, SIDE)
    was, now = (to_pixels(project_landmarks(head, params), SIDE) for params in (before, after))
    drawn = render(head, after, SIDE)
    place = to_ndc(now, SIDE) * torch.tensor([1.0, -1.0])
    back = functional.grid_sample(motion.back, place[:, :, None], align_corners=False)[..., 0].mT * SIDE / 2
    error = (now + back - was).norm(dim=-1)[drawn.visible]
    assert drawn.visible.sum() > 50
    assert error.median() < 0.25
    assert error.quantile(0.9) < 1.5


def test_a_picture_of_the_face_is_carried_to_where_the_face_is(head: MorphableModel) -> None:
    before, after = posed(head), posed(head, yaw=15.0, roll=-8.0)
    was, now = (landmark_bumps(project_landmarks(head, params)[:, 27:36], SIDE) for params in (before, after))
    carried = head_motion(head, before, after, SIDE).carry(was)
    assert (carried - now).square().mean() < 0.1 * (was - now).square().mean()


def test_the_side_that_was_hidden_is_not_seen(head: MorphableModel) -> None:
    """Turned from a profile to the front: the cheek that looked away, not the one that looked at us; nor the inside of an opened mouth."""
    motion = head_motion(head, posed(head, yaw=50.0), posed(head), SIDE)
    halves = [(motion.seen * motion.head)[..., part].sum() / motion.head[..., part].sum() for part in (slice(48), slice(48, None))]
    assert min(halves) < 0.7
    assert max(halves) > 0.95
    opened = head_motion(head, posed(head), posed(head, jawOpen=1.0), SIDE)
    assert opened.seen.min() == 0


def test_beside_the_head_things_follow_less_and_less(head: MorphableModel) -> None:
    motion = head_motion(head, posed(head), posed(head, roll=15.0), SIDE)
    length = motion.back.norm(dim=1, keepdim=True)
    far = functional.max_pool2d(motion.head, 43, stride=1, padding=21) == 0
    beside = (functional.max_pool2d(motion.head, 5, stride=1, padding=2) > 0) & (motion.head == 0)
    assert far.any()
    assert length[far].max() < 0.1 * length[beside].mean()


@pytest.mark.parametrize("change", [{"yaw": 20.0}, {"pitch": 12.0}, {"roll": 15.0}])
def test_nothing_is_torn_at_the_outline_of_the_head(head: MorphableModel, change: dict[str, float]) -> None:
    """From a pixel of the head to the next beside it the motion changes by less than a pixel, however long it is."""
    motion = head_motion(head, posed(head), posed(head, **change), SIDE)
    back = motion.back * SIDE / 2
    steps = torch.cat([back.diff(dim=axis).norm(dim=1)[motion.head.diff(dim=axis)[:, 0] != 0] for axis in (2, 3)])
    assert steps.quantile(0.95) < 1
    assert back.abs().max() > 4
