from pathlib import Path

import torch

from cddfm.data import HELD_OUT_SEED
from cddfm.evaluation.sweeps import Ask
from cddfm.evaluation.world_scale import Sitters, changed_params, kept, scale_plan, to_image
from cddfm.world import draw, sample_codes, scene
from cddfm.worlds import ProceduralWorld


def test_true_changes_are_the_worlds_own() -> None:
    """The same person before the same wall, with one parameter changed; who is asked for nothing stays as drawn."""
    sitters = Sitters.of(ProceduralWorld(), 2, "portrait", 16)
    own = scene(sample_codes([HELD_OUT_SEED, HELD_OUT_SEED + 1]))
    assert torch.equal(sitters.params.flatten(), own.params.flatten())
    before = sitters.portraits()
    assert (to_image(before) - draw(own, 16).image).abs().max() < 0.01
    deltas = torch.zeros(2, 3)
    deltas[0, 1] = 0.4
    after = sitters.changed(Ask("pose", ("yaw", "yaw"), deltas), before)
    assert not torch.equal(after[0], before[0])
    assert torch.equal(after[1], before[1])
    moved = changed_params(sitters.params, Ask("pose", ("yaw", "yaw"), deltas))
    assert torch.allclose(moved.pose[:, 1] - sitters.params.pose[:, 1], torch.tensor([0.4, 0.0]))


def test_everybody_takes_every_control() -> None:
    world = ProceduralWorld()
    sitters = Sitters.of(world, 2, "portrait", 16)
    asks = [ask for slot in scale_plan(world) for ask in slot.asks(sitters.params, 0, 0)]
    assert len(asks) == 38
    assert all(len(set(ask.controls)) == 1 for ask in asks)


def test_pictures_are_drawn_once(tmp_path: Path) -> None:
    sitters = Sitters.of(ProceduralWorld(), 1, "toon", 16)
    drawn: list[int] = []
    first = kept(tmp_path, sitters, "unchanged", sitters.portraits, drawn.append)
    again = kept(tmp_path, sitters, "unchanged", lambda: torch.zeros(1, 3, 16, 16, dtype=torch.uint8), drawn.append)
    assert torch.equal(first, again)
    assert drawn == [1, 1]
