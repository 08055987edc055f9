"""The joint stage: every network learns, resuming is exact."""

import torch

from domains.joint import Joint
from domains.train import Lesson
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from tests.domains.standins import kinds, noise_strengths, picture, resumed, run


def views(position, count, generator):
    """Pictures of one flat colour with a square of another one in their middle, which is told; the square of what is seen is of yet another
    colour."""
    randomness = torch.Generator().manual_seed(position)
    ground, square, other = torch.randn(3, count, 3, generator=randomness).tanh()
    return Lesson(picture(ground, other), square, picture(ground, square), torch.zeros(count, 0), torch.zeros(count, 3))


def make_stage(batch=8, total_images=400, rate=2e-3, **weights):
    torch.manual_seed(0)
    generator = Generator(resolution=16, z_dim=24, w_dim=16, channel_base=128, channel_max=16, mapping_layers=2)
    encoder = Encoder(resolution=16, w_dim=16, width=8, hidden=16, facts=3)
    return Joint(generator, encoder, kinds("encoded", **weights), views, batch, total_images, rate)


def test_what_is_told_is_written_by_what_is_told():
    stage = make_stage(batch=16, total_images=16 * 400, rate=2e-2)
    run(stage, 200)
    seen, square, *_ = views(999_999, 64, None)
    with torch.no_grad():

        def drawn(images, facts):
            return stage.generator.synthesise(stage.generator.styles(stage.generator.broadcast(stage.encoder(images, facts))))

        told = square.roll(1, dims=0)
        before, after = drawn(seen, square), drawn(seen, told)
    inside, change = (slice(None), slice(None), slice(6, 10), slice(6, 10)), (told - square)
    moved = (after - before)[inside].mean(dim=(2, 3))
    assert (moved * change).sum() / change.square().sum() > 0.5
    frame = (after - before)[..., :3, :].square().mean()
    assert frame < 0.1 * moved.square().mean()


def test_it_learns_pictures_and_features():
    metrics = run(make_stage(batch=16, total_images=16 * 80, rate=4e-3), 80)
    for name in ("picture", "features"):
        assert float(metrics[-1][f"encoded_{name}"]) < 0.8 * float(metrics[0][f"encoded_{name}"]), name


def test_every_network_moves_and_the_averages_follow():
    stage = make_stage(fooling=0.2, crowding=0.3)
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in stage.modules.items()}
    metrics = run(stage, 3)[-1]
    for name, module in stage.modules.items():
        learned = {key for key in before[name] if ("mean" if name.endswith(("crowd", "textures")) else "weight") in key}
        assert any(not torch.equal(module.state_dict()[key], before[name][key]) for key in learned), name
    assert all(torch.isfinite(value).all() for value in metrics.values())


def test_a_resumed_stage_is_the_uninterrupted_one():
    whole, second = resumed(lambda: make_stage(fooling=0.2, crowding=0.3))
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


def test_noise_is_let_in():
    stage = make_stage(busyness=1.0)
    run(stage, 3)
    assert all(strength != 0.0 for strength in noise_strengths(stage.average))
