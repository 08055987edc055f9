"""The stack that ships: complete, small, and it does what it is there for."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cddfm.align import Box
from cddfm.controls import Changes, Controls
from cddfm.data import HELD_OUT_SEED
from cddfm.edit import generated_styles
from cddfm.evaluation.likeness import psnr
from cddfm.evaluation.truth import Seated, embed_sitters, true_asks
from cddfm.evaluation.world_scale import Sitters, to_image
from cddfm.fitting.files import in_square
from cddfm.head import build_head
from cddfm.images import read_image
from cddfm.methods import carried_out, edit_styles
from cddfm.metrics import gain
from cddfm.render import project_landmarks
from cddfm.stack import EMBEDDED, Stack
from domains.finetune import embedding_names
from domains.registry import domain_path
from stylespace.weights import read_notes

LIMIT_MEGABYTES = 60
PORTRAITS = Path(__file__).resolve().parents[2] / "shared" / "data" / "portraits"
FACES = 24
DOMAINS = ("toon", "clay", "painting", "sketch")


@pytest.fixture(scope="module")
def stack():
    return Stack()


@pytest.fixture(scope="module")
def faces(stack):
    return generated_styles(stack, list(range(HELD_OUT_SEED, HELD_OUT_SEED + FACES)))


def test_it_is_complete_and_small(stack):
    names = {str(path.relative_to(EMBEDDED)) for path in EMBEDDED.rglob("*.safetensors")}
    networks = ("generator", "encoder", "estimator", "landmarker", "judge", "identity_judge", "stylerig", "linear", "editor")
    assert names == {f"{name}.safetensors" for name in (*networks, *(f"domains/{domain}" for domain in DOMAINS))}
    assert sum(path.stat().st_size for path in EMBEDDED.rglob("*.safetensors")) < LIMIT_MEGABYTES * 1e6
    card = (EMBEDDED / "MODEL_CARD.md").read_text()
    assert all(name in card for name in names)


def test_every_network_belongs_to_the_built_in_head(stack):
    layout = build_head().model.layout
    for network in (stack.estimator, stack.judge, stack.stylerig, stack.editor):
        assert network.layout == layout


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domains_generator_reads_codes_exactly_as_the_portraits_does(stack, domain):
    portrait, adapted = stack.generator.state_dict(), stack.domain(domain).state_dict()
    embedding = embedding_names(stack.generator)
    assert all(torch.equal(portrait[name], adapted[name]) for name in embedding)
    assert set(read_notes(domain_path(EMBEDDED, domain))["frozen"]) == embedding, "else it changes when the generator learns on"


@pytest.mark.parametrize("method", ["cddfm", "stylerig", "linear"])
def test_no_change_is_no_change_bit_for_bit(stack, faces, method):
    params = stack.editor.predict(faces)
    assert Changes().deltas(params) == {}
    assert torch.equal(edit_styles(stack, faces, {}, method), faces)
    zero = {"pose": torch.zeros(FACES, 3), "light": torch.zeros(FACES, 27)}
    assert torch.equal(edit_styles(stack, faces, zero, method), faces)


@torch.no_grad()
@pytest.mark.parametrize("degrees", [-20.0, 20.0])
def test_a_photograph_is_carried_by_stylerig_about_as_far_as_generated_heads_turn(stack, faces, degrees):
    """As the judge sees it, which taught nobody; and not as far as was asked."""
    asked = math.radians(degrees)
    turn = {"pose": torch.tensor([[0.0, asked, 0.0]]).repeat(FACES, 1)}
    edited = edit_styles(stack, faces, turn, "stylerig")
    before, after = (stack.judge(stack.generator.synthesise(s)).pose[:, 1].mean() for s in (faces, edited))
    carried = carried_out(stack, faces, edited, turn, "stylerig")["pose"][:, 1].mean()
    assert abs(carried - (after - before)) < 0.5 * abs(asked - (after - before))


@torch.no_grad()
@pytest.mark.parametrize("domain", ["portrait", "toon"])
def test_the_head_turns_as_the_judge_sees_it(stack, faces, domain):
    generator, controls = stack.domain(domain), Controls(build_head().model)
    before = stack.judge(generator.synthesise(faces)).pose[:, 1:2]
    requested, achieved = [], []
    for degrees in (-20.0, 20.0):
        deltas = Changes(((controls.find("yaw"), degrees),)).deltas(stack.editor.predict(faces))
        after = stack.judge(generator.synthesise(edit_styles(stack, faces, deltas, "cddfm"))).pose[:, 1:2]
        requested.append(deltas["pose"][:, 1:2])
        achieved.append(after - before)
    assert 0.5 < gain(torch.cat(requested), torch.cat(achieved)) < 1.5


@pytest.fixture(scope="module")
def people(stack):
    """Two of the world's held-out people."""
    return Sitters.of(stack.world, 2, "portrait", stack.generator.resolution)


def test_an_edited_photograph_is_nearer_to_the_truth_than_the_photograph_and_than_the_generators_picture(stack, people, tmp_path):
    """The world's own pictures of the same people, smiling, and with brows raised."""
    faces = embed_sitters(stack, people, tmp_path, 40, lambda count: None)
    seated = Seated.of(stack, "portrait", faces)
    for name, ask in true_asks(people):
        if not name.startswith(("mouthSmile", "browInnerUp")):
            continue
        truth = to_image(people.changed(ask, people.portraits()))
        (drawn, composed), untouched = seated.edit(stack, "cddfm", stack.editor, ask), seated.photograph.image
        assert (psnr(composed, truth) > psnr(drawn, truth) + 5).all(), name
        assert (psnr(composed, truth) > psnr(untouched, truth)).all(), name


@torch.no_grad()
def test_landmarks_of_held_out_people_are_seen(stack):
    people = Sitters.of(stack.world, 16, "portrait", stack.generator.resolution)
    seen = stack.landmarker(to_image(people.portraits()))
    assert (seen - project_landmarks(stack.model, people.params)).norm(dim=-1).mean() < 0.02


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="the photographs are not here")
@torch.no_grad()
def test_landmarks_of_photographs_are_seen_where_people_marked_them_and_better_than_they_are_read(stack):
    """An outside oracle: iBUG-68 of aligned photographs, without the jaw, whose points people set along an outline."""
    errors = []
    for path in sorted(PORTRAITS.glob("*.png")):
        image = read_image(path)
        half = image.shape[-1] / 2
        marked = in_square(torch.from_numpy(np.load(path.with_suffix(".npy"))).float(), Box(half, half, half))
        read = project_landmarks(stack.model, stack.estimator(image))
        errors.append([(found[0, 17:] - marked[17:]).norm(dim=-1).mean() for found in (stack.landmarker(image), read)])
    seen, read = torch.tensor(errors).mean(dim=0)
    assert seen < 0.04
    assert seen < 0.9 * read
