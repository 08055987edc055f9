"""The last stage: pictures are learned from codes and noise beside those that are encoded, by an encoder that stays as it is."""

import pytest
import torch

from domains.codes import code_rotation, latents
from domains.movement import Movement
from domains.together import Together
from domains.train import Lesson
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from tests.domains.standins import kinds, noise_strengths, picture, resumed, run

Z, CODE = 12, 6


def views(position, count, generator):
    """Two pictures each of a ground whose colour the code tells, with a square whose colour is told, or half of it by the code too."""
    randomness = torch.Generator().manual_seed(position)
    half = count // 2
    ground = torch.randn(half, 3, generator=randomness).repeat(2, 1)
    square = torch.randn(count, 3, generator=randomness)
    codes = torch.cat([ground, 0.5 * square], dim=1)
    images = picture(ground.tanh(), square.tanh())
    return Lesson(images[:half], square, images, codes, 0.5 * square)


def make_stage(batch=8, total_images=400, rate=2e-3, **weights):
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=Z, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    encoder = Encoder(resolution=16, w_dim=16, width=8, hidden=16, facts=3)
    return Together(generator, encoder, kinds(**weights), views, batch, total_images, rate)


@pytest.fixture(scope="module")
def trained():
    stage = make_stage(batch=16, total_images=16 * 200, rate=3e-2)
    encoder = {name: tensor.clone() for name, tensor in stage.encoder.state_dict().items()}
    return stage, encoder, run(stage, 200)


def test_pictures_of_both_kinds_of_codes_are_learned(trained):
    _, _, metrics = trained
    for name in ("encoded_picture", "mapped_picture"):
        assert float(metrics[-1][name]) < 0.7 * float(metrics[0][name]), name


def test_the_mapping_goes_on_towards_what_the_encoder_finds(monkeypatch):
    monkeypatch.setattr("domains.together.SCORE", 1.0)
    metrics = run(make_stage(batch=16, total_images=16 * 100, rate=4e-2), 100)
    assert float(metrics[-1]["score"]) < 0.8 * float(metrics[0]["score"])


def test_a_code_is_drawn_as_its_picture(trained):
    """The ground's colour, whatever the noise."""
    stage, *_ = trained
    lesson = views(999_999, 64, None)
    noise = torch.randn(64, Z - CODE, generator=torch.Generator().manual_seed(3))
    z = torch.cat([lesson.codes, noise], dim=1) @ code_rotation(Z).T
    ground = stage.average(z)[:, :, :3].mean(dim=(2, 3))
    assert torch.corrcoef(torch.stack([ground.flatten(), lesson.images[:, :, 0, 0].flatten()]))[0, 1] > 0.8


def test_the_encoder_stays_as_it_is(trained):
    stage, before, _ = trained
    assert all(torch.equal(tensor, before[name]) for name, tensor in stage.encoder.state_dict().items())


@pytest.mark.parametrize("alike", [True, False])
def test_pictures_of_one_scene_share_their_noise(alike):
    """With one code for both and nothing beyond it they are the same."""

    def twins(position, count, generator):
        lesson = views(position, count, generator)
        codes = lesson.codes[: count // 2].repeat(2, 1) if alike else lesson.codes
        return lesson._replace(codes=codes, beyond=torch.zeros(count, 3))

    stage, seen = make_stage(), []
    stage.views = twins
    compare = stage.kinds.likenesses["mapped"].compare
    stage.kinds.likenesses["mapped"].compare = lambda made, truth: seen.append(made) or compare(made, truth)
    run(stage, 1)
    first, second = seen[0].chunk(2)
    assert len(first) == 4
    assert torch.allclose(first, second, atol=1e-5) is alike


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_what_is_beyond_a_code_moves_its_picture_as_the_encoder_is_told(amount, monkeypatch):
    monkeypatch.setattr(Movement, "drawn", lambda side, generator: Movement(0, 0, False))
    lesson = views(0, 8, None)._replace(beyond=torch.full((8, 3), amount))
    stage, seen = make_stage(), []
    stage.views, compare = lambda *_: lesson, stage.kinds.likenesses["mapped"].compare
    stage.kinds.likenesses["mapped"].compare = lambda made, truth: seen.append(made.detach()) or compare(made, truth)
    run(stage, 1)
    fresh = make_stage()
    w = fresh.generator.map(latents(lesson.codes, 4, Z, torch.Generator().manual_seed(0))) + fresh.encoder.step(lesson.beyond)
    expected = fresh.generator.synthesise(fresh.generator.styles(fresh.generator.broadcast(w)))
    torch.testing.assert_close(seen[0], expected)


def test_every_network_moves_and_the_average_follows():
    stage = make_stage(fooling=0.2, crowding=0.3)
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in stage.modules.items()}
    metrics = run(stage, 3)[-1]
    for name, module in stage.modules.items():
        learned = {key for key in before[name] if ("mean" if name.endswith(("crowd", "textures")) else "weight") in key}
        assert any(not torch.equal(module.state_dict()[key], before[name][key]) for key in learned), name
    mapping = {key for key in before["average"] if key.startswith("mapping.fc")}
    assert not any(torch.equal(stage.average.state_dict()[key], before["average"][key]) for key in mapping)
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in metrics.values())


def test_a_resumed_stage_is_the_uninterrupted_one():
    whole, second = resumed(lambda: make_stage(fooling=0.2, crowding=0.3))
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


def test_noise_is_let_in():
    """Its strengths are learned as all else that draws."""
    stage = make_stage(busyness=1.0)
    run(stage, 3)
    assert all(strength != 0.0 for strength in noise_strengths(stage.average))
