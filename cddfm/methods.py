"""The methods of editing by name: which network of a stack carries an edit out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.config import nearest
from cddfm.errors import UserError
from cddfm.linear import LinearRig
from cddfm.manipulator import EditorNetworks
from cddfm.params import FaceParams, ParamLayout
from cddfm.rig import StyleRig
from cddfm.stack import Stack


@runtime_checkable
class Method(Protocol):
    """What carries out edits of style codes, in raw units; no change gives the code back bit for bit."""

    layout: ParamLayout

    def predict(self, s: Float[Tensor, "batch style"]) -> FaceParams: ...

    def edit(self, s: Float[Tensor, "batch style"], deltas: Mapping[str, Tensor]) -> Float[Tensor, "batch style"]: ...


KINDS: dict[str, tuple[str, type[nn.Module]]] = {
    "cddfm": ("editor", EditorNetworks),
    "stylerig": ("stylerig", StyleRig),
    "linear": ("linear", LinearRig),
    "base": ("base", StyleRig),
}
"""Method → the file that holds it and the network in that file.

cddfm: the manipulators of `train-editor`, which touch selected layers only. stylerig: as published, in W+, what they are compared with, of
`train-base --set space=w_plus`. linear: ridge regression, of `train-linear`. base: StyleRig in style space, of `train-base`. A variant
`<method>-<variant>` (an ablation) lies in `<file>-<variant>.safetensors`.
"""

METHODS = tuple(KINDS)

OWN = "cddfm"
"""The stack's editor."""


def variants(stack: Stack) -> list[str]:
    """Names of the variants whose files lie in the stack folder."""
    return sorted(
        f"{method}-{path.stem.removeprefix(f'{file}-')}"
        for method, (file, _) in KINDS.items()
        for path in stack.folder.glob(f"{file}-*.safetensors")
    )


def method_names(stack: Stack) -> list[str]:
    """Every name that `method_network` knows in this stack."""
    return [*METHODS, *variants(stack)]


def method_network(stack: Stack, name: str) -> Method:
    """The network that carries out edits; raises UserError with the nearest valid method for an unknown one."""
    valid = method_names(stack)
    if name not in valid:
        raise UserError(f"there is no method {name!r}: {nearest(name, valid)}")
    method, _, variant = name.partition("-")
    file, kind = KINDS[method]
    return stack.variant(f"{file}-{variant}", kind) if variant else getattr(stack, file)


@torch.no_grad()
def carried_out(
    stack: Stack, s: Float[Tensor, "batch style"], edited: Float[Tensor, "batch style"], deltas: Mapping[str, Float[Tensor, "batch size"]],
    method: str,
) -> dict[str, Float[Tensor, "batch size"]]:  # fmt: skip
    """Of the changes that `edited` is to be of s, what the method made. The stack's own editor counts as making all of them; of another
    method's each group counts as far as the predictor reads it beside the editor's, from not at all to wholly."""
    if method == OWN:
        return dict(deltas)
    before, made, whole = (stack.editor.predict(code) for code in (s, edited, stack.editor.edit(s, deltas)))

    def along(after: FaceParams, group: str) -> Float[Tensor, "batch 1"]:
        return ((getattr(after, group) - getattr(before, group)) * deltas[group]).sum(dim=1, keepdim=True)

    def share(group: str) -> Float[Tensor, "batch 1"]:
        reach = along(whole, group)
        return torch.where(reach > 0, along(made, group) / reach, torch.ones_like(reach)).clamp(0.0, 1.0)

    return {group: share(group) * delta for group, delta in deltas.items()}


def edit_styles(
    stack: Stack, s: Float[Tensor, "batch style"], deltas: Mapping[str, Float[Tensor, "batch size"]], method: str
) -> Float[Tensor, "batch style"]:
    """s′ for changes in raw units, by any method."""
    return method_network(stack, method).edit(s, deltas)
