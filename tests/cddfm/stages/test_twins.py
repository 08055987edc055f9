"""Twins: the edited attribute alone changes, by the exact amount; the editor learns to write it."""

import pytest
import torch

from cddfm.blocks import layout_sizes, style_layers
from cddfm.data import Pool
from cddfm.manipulator import Manipulator
from cddfm.params import ATTRIBUTES, GROUPS
from cddfm.predictor import Predictor
from cddfm.stages.editor import PredictorStage
from cddfm.stages.twin_editor import TwinManipulatorStage, twin_lessons, twin_population
from cddfm.stages.twins import Twins, what_changed
from cddfm.world import CODE_DIM, sample_codes
from cddfm.worlds import ProceduralWorld
from domains.codes import code_rotation, latent_of
from stylespace.encoder import Encoder
from stylespace.generator import Generator

WORLD = ProceduralWorld()


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(16, z_dim=CODE_DIM + 5, w_dim=24, channel_base=128, channel_max=16, mapping_layers=2).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(2)
    return Encoder(16, w_dim=24, width=8, hidden=16, facts=WORLD.model.layout.total).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def twins(generator, encoder):
    return Twins(generator, encoder, WORLD)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_one_attribute_alone_changes(twins, attribute):
    pairs = twins.draw(64, torch.Generator().manual_seed(1), attribute)
    assert pairs.edited[:, GROUPS.index(attribute)].all()
    assert int(pairs.edited.sum()) == 64
    part = twins.layout.slices[attribute]
    changed = (pairs.change[:, part] != 0).any(dim=1)
    assert changed.float().mean() > 0.6
    assert torch.equal((pairs.twin != pairs.s).any(dim=1), changed)
    others = pairs.change.clone()
    others[:, part] = 0
    assert others.abs().sum() == 0
    assert (pairs.twin - pairs.s).abs().sum() > 0


def test_half_of_the_lights_are_carried_around(twins):
    light = twins.draw(128, torch.Generator().manual_seed(1), "light")
    part = twins.layout.slices["light"]
    before, after = light.params[:, part], light.params[:, part] + light.change[:, part]
    same = (before[:, :3] - after[:, :3]).abs().amax(dim=1) < 1e-5  # a turn leaves the constant harmonic
    assert 0.3 < float(same.float().mean()) < 0.7


def test_a_change_is_the_step_that_the_encoder_knows(twins, generator, encoder):
    pairs = twins.draw(16, torch.Generator().manual_seed(9))
    steps = generator.styles(generator.broadcast(encoder.step(pairs.change))) - generator.styles(generator.broadcast(torch.zeros(16, 24)))
    assert torch.allclose(pairs.twin - pairs.s, steps, atol=1e-4)


def test_pairs_depend_on_the_generator_of_randomness_only(twins):
    one, two = (twins.draw(8, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.s, two.s)
    assert torch.equal(one.change, two.change)


def test_people_of_a_pool_start_as_they_are_seen_and_as_they_are_mapped(twins, generator, encoder):
    codes, rows = sample_codes(range(6)), torch.tensor([4, 1])
    images = torch.randint(256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pool = Pool(images, WORLD.params(codes).flatten(), codes)
    s = twins.starting(pool, rows, torch.Generator().manual_seed(1))
    encoded = encoder(pool.take(rows)[0], pool.params[rows])
    noise = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    mapped = generator.map(latent_of(codes[rows], noise, code_rotation(generator.z_dim)))
    assert torch.allclose(s, generator.styles(generator.broadcast(torch.cat([encoded, mapped]))), atol=1e-5)


def test_half_of_the_pairs_start_from_encoded_pictures(generator, encoder):
    codes = sample_codes(range(10))
    seen = torch.randn(10, 24, generator=torch.Generator().manual_seed(4))
    pairs = Twins(generator, encoder, WORLD, codes, seen).draw(8, torch.Generator().manual_seed(5))
    known = generator.styles(generator.broadcast(seen + encoder.step(WORLD.params(codes).flatten() - encoder.mean)))
    distance = torch.cdist(pairs.s, known).amin(dim=1)
    assert (distance[:4] < 1e-3).all()
    assert (distance[4:] > 1e-2).all()
    assert torch.cdist(pairs.params[:4], WORLD.params(codes).flatten()).amin(dim=1).max() < 1e-3


def test_drawn_pairs_are_sorted_by_what_changed():
    params = WORLD.params(sample_codes(range(10))).flatten()
    other, slices = params.clone(), WORLD.model.layout.slices
    other[:4, slices["expression"]] += 1.0
    other[4:6, slices["light"]] += 1.0
    other[6:, slices["pose"]] += 1.0
    other[5:8, slices["light"]] += 1.0
    other[7, slices["albedo"]] += 1.0  # two things at once
    images, codes = torch.zeros(10, 3, 16, 16, dtype=torch.uint8), torch.zeros(10, CODE_DIM)
    alone = what_changed(Pool(images, params, codes), Pool(images, other, codes), WORLD.model.layout)
    expected = 4 * ["expression"] + 2 * ["light"] + ["pose", None, "pose", "pose"]
    assert alone.tolist() == [-1 if name is None else ATTRIBUTES.index(name) for name in expected]


def run(stage, steps):
    return [stage.step(index * stage.batch, torch.Generator().manual_seed(index % 3)) for index in range(steps)]


def test_the_editor_learns_from_twins(generator, twins):
    torch.manual_seed(0)
    layers, sizes = style_layers(generator.style_layout), layout_sizes(twins.layout)
    selection = {name: [layer for layer, _ in layers if "torgb" not in layer] for name in ATTRIBUTES}
    population = twin_population(twins, 64)
    manipulator = Manipulator(layers, selection, sizes, hidden=32)
    shared = dict(twins=twins, population=population, batch=16, learning_rate=5e-3)
    reports = run(TwinManipulatorStage(manipulator=manipulator, total_images=2000, **shared), 60)
    assert float(reports[0]["style_left"]) > 0.9
    assert sum(float(report["style_left"]) for report in reports[-3:]) / 3 < 0.75
    pictures = TwinManipulatorStage(manipulator=manipulator, generator=generator, total_images=2000, resolution=16, **shared)
    reports = run(pictures, 12)
    assert sum(float(r["picture_left"]) for r in reports[-3:]) < sum(float(r["picture_left"]) for r in reports[:3])


def test_the_predictor_learns_from_twins(generator, twins):
    torch.manual_seed(0)
    predictor = Predictor(generator.style_layout.style_dim, layout_sizes(twins.layout), (64,))
    population = twin_population(twins, 64)
    stage = PredictorStage(
        predictor=predictor, lessons=twin_lessons(twins, population), model=WORLD.model, population=population, total_images=4000,
        batch=16, learning_rate=5e-3,
    )  # fmt: skip
    reports = run(stage, 60)
    assert float(reports[-1]["pose"]) < 0.6 * float(reports[0]["pose"])
