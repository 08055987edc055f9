"""Methods by name: each finds its network, variants lie in the stack folder, all keep the one contract."""

import shutil

import pytest
import torch

from cddfm.blocks import layout_sizes
from cddfm.errors import UserError
from cddfm.linear import LinearRig
from cddfm.manipulator import EditorNetworks
from cddfm.methods import METHODS, OWN, Method, carried_out, edit_styles, method_names, method_network
from cddfm.params import ATTRIBUTES
from cddfm.rig import StyleRig
from cddfm.stack import Stack
from stylespace.weights import WeightsError, save_network


@pytest.fixture
def varied(tiny_stack, tmp_path):
    """A stack with one variant of the base."""
    folder = tmp_path / "stack"
    shutil.copytree(tiny_stack, folder)
    base = Stack(folder).base
    rig = StyleRig(base.layers, layout_sizes(base.layout), hidden=16, steering=True)
    save_network(folder / "base-steering.safetensors", rig)
    return Stack(folder)


def test_each_method_is_the_network_of_its_file(tiny_stack):
    stack = Stack(tiny_stack)
    networks = [method_network(stack, name) for name in METHODS]
    assert networks == [stack.editor, stack.stylerig, stack.linear, stack.base]
    assert [type(network) for network in networks] == [EditorNetworks, StyleRig, LinearRig, StyleRig]
    assert all(isinstance(network, Method) for network in networks)


@pytest.mark.parametrize("name", METHODS)
def test_no_change_is_none_and_a_change_is_one(tiny_stack, name):
    stack = Stack(tiny_stack)
    s = torch.randn(3, stack.generator.style_layout.style_dim, generator=torch.Generator().manual_seed(0))
    sizes = method_network(stack, name).layout.sizes
    zero = {attribute: torch.zeros(3, sizes[attribute]) for attribute in ATTRIBUTES}
    assert torch.equal(edit_styles(stack, s, zero, name), s)
    for attribute in ATTRIBUTES:
        assert (edit_styles(stack, s, {attribute: zero[attribute] + 0.5}, name) != s).any(dim=1).all()


def test_the_stacks_editor_carries_out_what_was_asked_and_others_what_they_make_of_it(tiny_stack):
    stack = Stack(tiny_stack)
    s = torch.randn(3, stack.generator.style_layout.style_dim, generator=torch.Generator().manual_seed(0))
    deltas = {"pose": torch.tensor([[0.0, 0.3, 0.0]]).repeat(3, 1), "light": torch.full((3, 27), 0.2)}
    whole = stack.editor.edit(s, deltas)
    made = carried_out(stack, s, whole, deltas, OWN)
    assert made == deltas
    made = carried_out(stack, s, whole, deltas, "linear")
    for group, delta in deltas.items():
        torch.testing.assert_close(made[group], delta)
        assert not carried_out(stack, s, s, deltas, "linear")[group].any()
    for share in (0.1, 0.5):
        part = carried_out(stack, s, s + share * (whole - s), deltas, "linear")
        for group, delta in deltas.items():
            assert ((part[group] >= 0) & (part[group] < delta.clamp(min=1e-9))).all()


def test_variants_are_found_loaded_once_and_offered(varied, tiny_stack):
    name = "base-steering"
    assert method_names(varied) == [*METHODS, name]
    assert method_names(Stack(tiny_stack)) == list(METHODS)
    network = method_network(varied, name)
    assert network is method_network(varied, name)
    assert network is not varied.base
    with pytest.raises(UserError, match=f"did you mean '{name}'"):
        method_network(varied, "base-stering")


@pytest.mark.parametrize(
    ("name", "said"),
    [("liner", "did you mean 'linear'"), ("", "valid are cddfm, stylerig, linear, base"), ("editor", "no method 'editor'")],
)
def test_unknown_methods_are_named_with_the_nearest(tiny_stack, name, said):
    with pytest.raises(UserError, match=said):
        method_network(Stack(tiny_stack), name)


def test_a_method_that_was_not_trained_says_which_file_is_missing(varied):
    varied.path("linear").unlink()
    with pytest.raises(WeightsError, match=r"linear\.safetensors is missing"):
        method_network(varied, "linear")


def test_a_variant_of_another_kind_is_refused(varied):
    shutil.copy(varied.path("linear"), varied.path("stylerig-no-edit"))
    with pytest.raises(WeightsError, match="holds a LinearRig where a StyleRig is needed"):
        method_network(varied, "stylerig-no-edit")
