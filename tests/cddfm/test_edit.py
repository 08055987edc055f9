from pathlib import Path

import pytest
import torch

from cddfm.controls import Changes
from cddfm.edit import METHODS, Editor, generated_styles
from cddfm.errors import UserError
from cddfm.images import read_image
from cddfm.stack import Stack


@pytest.fixture(scope="module")
def editor(tiny_stack: Path, photograph: Path) -> Editor:
    editor = Editor(Stack(tiny_stack))
    editor.set_image(read_image(photograph), steps=3)
    return editor


def test_an_edit_of_nothing_is_the_inversion_bit_for_bit(editor: Editor) -> None:
    """By construction of the networks: also when zero changes are spelled out."""
    nothing = editor.controls.parse("yaw=0,pitch=0", "pose") + editor.controls.parse("intensity=1", "light")
    s, deltas = editor.face.s, {"pose": torch.zeros(1, 3), "light": torch.zeros(1, 27)}
    for method, network in zip(METHODS, (editor.stack.editor, editor.stack.base), strict=True):
        assert torch.equal(network.edit(s, deltas), s)
        for domain in editor.stack.domains():
            expected = editor.stack.domain(domain).synthesise(s)
            assert torch.equal(editor.inversion(domain), expected)
            assert torch.equal(editor.edit(Changes(), domain, method), expected)
            assert torch.equal(editor.edit(nothing, domain, method), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("group", "text"),
    [("pose", "yaw=20"), ("expression", "jawOpen=0.5"), ("light", "azimuth=40"), ("shape", "{shape}=2"), ("albedo", "{albedo}=2")],
)
def test_every_group_changes_the_picture_and_may_be_repeated(editor: Editor, method: str, group: str, text: str) -> None:
    names = {group: next(iter(editor.controls.tables[group])) for group in ("shape", "albedo")}
    changes = editor.controls.parse(text.format(**names), group)
    edited = editor.edit(changes, method=method)
    assert not torch.equal(edited, editor.inversion())
    assert torch.equal(edited, editor.edit(changes, method=method))


def test_domains_draw_the_same_code_differently(editor: Editor) -> None:
    assert editor.stack.domains() == ["portrait", "toon"]
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
