from pathlib import Path

import pytest
import torch

from cddfm.compose import in_manner
from cddfm.controls import Changes
from cddfm.edit import Editor, Likeness, deltas_towards, generated_styles, parse_taken, photograph_in, seen_in, taught
from cddfm.errors import UserError
from cddfm.images import read_image
from cddfm.methods import METHODS, method_network
from cddfm.params import FaceParams
from cddfm.render import project_landmarks
from cddfm.stack import Stack
from domains.registry import SOURCE


@pytest.fixture(scope="module")
def editor(tiny_stack: Path, photograph: Path) -> Editor:
    editor = Editor(Stack(tiny_stack))
    editor.set_image(read_image(photograph), steps=3)
    return editor


def test_an_edit_of_nothing_is_the_inversion_bit_for_bit_and_of_a_photograph_the_photograph(editor: Editor) -> None:
    """By construction of the networks: also when zero changes are spelled out."""
    nothing = editor.controls.parse("yaw=0,pitch=0", "pose") + editor.controls.parse("intensity=1", "light")
    deltas = {"pose": torch.zeros(1, 3), "light": torch.zeros(1, 27)}
    for method in METHODS:
        for domain in editor.stack.domains():
            s = editor.face.starts.of(domain).s
            assert torch.equal(method_network(editor.stack, method).edit(s, deltas), s)
            expected = taught(editor.stack, domain, editor.face.learned).synthesise(s)
            assert torch.equal(editor.inversion(domain), expected)
            photograph = photograph_in(editor.stack, domain, editor.face)
            assert torch.equal(photograph.drawn, expected)
            assert torch.equal(photograph.image, editor.face.aligned.sharp) == (domain == SOURCE)
            for changes in (Changes(), nothing):
                assert torch.equal(editor.edit(changes, domain, method), photograph.image)
    editor = Editor(editor.stack)
    editor.set_seed(3)
    for domain in editor.stack.domains():
        assert torch.equal(editor.edit(nothing, domain), editor.inversion(domain))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("group", "text"),
    [("pose", "yaw=20"), ("expression", "jawOpen=0.5"), ("light", "azimuth=40"), ("shape", "{shape}=2"), ("albedo", "{albedo}=2")],
)
def test_every_group_changes_the_picture_and_may_be_repeated(editor: Editor, method: str, group: str, text: str) -> None:
    names = {group: next(iter(editor.controls.tables[group])) for group in ("shape", "albedo")}
    changes = editor.controls.parse(text.format(**names), group)
    edited = editor.edit(changes, method=method)
    assert not torch.allclose(edited, editor.edit(Changes()), atol=1e-3)
    assert torch.equal(edited, editor.edit(changes, method=method))


def test_a_photographs_face_lies_where_its_landmarks_are_seen(tiny_stack: Path) -> None:
    stack = Stack(tiny_stack)
    read = FaceParams.neutral(stack.model.layout, 1)
    speaking = stack.model.expression({"jawOpen": 0.8})[None]
    there = read.replace(pose=read.pose + 0.15, translation=read.translation + 0.4, expression=speaking)
    marks = project_landmarks(stack.model, there)
    stack.estimator, stack.landmarker = (lambda image: read), (lambda image: marks)
    found = seen_in(stack, torch.zeros(1, 3, 16, 16))
    before, after = ((project_landmarks(stack.model, params) - marks).norm(dim=-1).mean() for params in (read, found))
    assert after < 0.006 < 0.05 < before
    assert torch.equal(found.light, read.light) and torch.equal(found.albedo, read.albedo)


def test_other_domains_take_over_what_is_lacking_in_their_own_manner(editor: Editor) -> None:
    """What the portraits' generator lacks at the code that other domains draw."""
    face, stack = editor.face, editor.stack
    own = face.learned.elsewhere(stack.generator).synthesise(face.starts.elsewhere.s)
    toon = photograph_in(stack, "toon", face)
    assert torch.equal(toon.image, toon.drawn + in_manner(face.aligned.image - own, own, toon.drawn))
    assert torch.equal(toon.params.flatten(), face.starts.elsewhere.params.flatten())


def test_a_photograph_is_edited_as_sharp_as_it_is_and_in_other_domains_as_the_generator_draws(editor: Editor) -> None:
    changes = editor.controls.parse("yaw=20", "pose")
    side = editor.face.aligned.sharp.shape[-1]
    assert side > editor.stack.generator.resolution
    assert editor.edit(changes).shape[-1] == side
    assert editor.edit(changes, "toon").shape[-1] == editor.stack.generator.resolution


def test_domains_draw_a_generated_face_by_the_same_code_and_differently(tiny_stack: Path) -> None:
    editor = Editor(Stack(tiny_stack))
    assert editor.stack.domains() == ["portrait", "toon"]
    starts = editor.set_seed(3).starts
    assert torch.equal(starts.elsewhere.s, starts.own.s)
    assert not torch.equal(editor.inversion("toon"), editor.inversion("portrait"))


def test_a_face_made_up_from_a_seed_does_not_depend_on_its_neighbours(tiny_stack: Path) -> None:
    stack = Stack(tiny_stack)
    together, alone = generated_styles(stack, [3, 4, 5]), generated_styles(stack, [4])
    assert torch.allclose(together[1:2], alone, atol=1e-6)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_mistakes_are_named(editor: Editor, tiny_stack: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'toon'"):
        editor.edit(Changes(), domain="tone")
    with pytest.raises(UserError, match="no method 'rig'"):
        editor.edit(Changes(), method="rig")
    with pytest.raises(UserError, match="no face to edit yet"):
        Editor(Stack(tiny_stack)).edit(Changes())


@pytest.mark.parametrize("domain", ["portrait", "toon"])
def test_a_face_becomes_like_another_in_what_is_taken(editor: Editor, domain: str) -> None:
    """Deltas lead from one's own parameters to the other's; changes start from there; a face is like itself already."""
    other_face = Editor(editor.stack).set_seed(5)
    own, other = (face.starts.of(domain).params for face in (editor.face, other_face))
    like = Likeness(other_face, parse_taken("pose,shape"))
    deltas = deltas_towards(editor.face, Changes(), like, domain)
    assert set(deltas) == {"pose", "identity"}
    assert torch.allclose(own.pose + deltas["pose"], other.pose, atol=1e-6)
    assert torch.allclose(own.identity + deltas["identity"], other.identity, atol=1e-6)
    turned = editor.controls.parse("azimuth=40", "light")
    lit = deltas_towards(editor.face, turned, Likeness(other_face, ("light",)), domain)["light"]
    assert torch.allclose(own.light + lit, other.light + turned.deltas(other)["light"], atol=1e-6)
    for method in METHODS:
        unedited = editor.edit(Changes(), domain)
        assert not torch.allclose(editor.edit(Changes(), domain, method, like), unedited, atol=1e-3)
        assert torch.equal(editor.edit(Changes(), domain, method, Likeness(editor.face, ("pose", "light"))), unedited)


def test_a_photograph_starts_from_the_parameters_of_the_code_that_is_edited(editor: Editor) -> None:
    starts = editor.face.starts
    for start in (starts.own, starts.elsewhere):
        assert torch.equal(start.params.flatten(), editor.stack.editor.predict(start.s).flatten())
    assert not torch.equal(starts.own.s, starts.elsewhere.s)


def test_generators_learn_a_photograph_and_know_nothing_of_it_afterwards(tiny_stack: Path, photograph: Path) -> None:
    editor, steps = Editor(Stack(tiny_stack)), []
    learned = editor.set_image(read_image(photograph), steps=5, on_step=lambda step, loss: steps.append(step)).learned
    assert steps == [1, 2, 3, 4, 5]
    name = "b4.conv1.weight"
    for domain, share in (("portrait", 1.0), ("toon", 0.5)):
        generator = editor.stack.domain(domain)
        assert not torch.equal(editor.inversion(domain), generator.synthesise(editor.face.starts.of(domain).s))
        stepped = taught(editor.stack, domain, learned).synthesis.get_parameter(name) - generator.synthesis.get_parameter(name)
        torch.testing.assert_close(stepped, share * learned.steps[name])
    editor.set_seed(3)
    for domain in editor.stack.domains():
        assert torch.equal(editor.inversion(domain), editor.stack.domain(domain).synthesise(editor.face.starts.of(domain).s))


def test_reading_another_picture_keeps_the_face(editor: Editor, photograph: Path) -> None:
    before = editor.face
    read = editor.read(read_image(photograph), steps=3)
    assert editor.face is before
    assert all(torch.equal(read.starts.of(domain).s, before.starts.of(domain).s) for domain in editor.stack.domains())


def test_what_cannot_be_taken_is_named() -> None:
    assert parse_taken("shape, pose,shape") == ("identity", "pose")
    with pytest.raises(UserError, match="nothing called 'poes' to take from another picture: did you mean 'pose'"):
        parse_taken("poes")
    with pytest.raises(UserError, match="--take names nothing"):
        parse_taken(",")
