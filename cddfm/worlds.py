"""Which world a stack is trained on: the procedural one, or the plain one of a morphable model that lies in the stack."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.errors import UserError
from cddfm.head import build_head
from cddfm.morphable import MorphableModel, load, save_model
from cddfm.params import FaceParams
from cddfm.styles import STYLES

MODEL_FILE = "morphable.safetensors"
"""In a stack folder: the model that its networks know; without it they know the built-in head."""


@runtime_checkable
class World(Protocol):
    """Portraits from scene codes. key: names the world in caches, empty for the procedural one. styles: what it can draw."""

    @property
    def key(self) -> str: ...

    @property
    def styles(self) -> tuple[str, ...]: ...

    @property
    def model(self) -> MorphableModel: ...

    def params(self, codes: Float[Tensor, "images code"]) -> FaceParams:
        """The exact parameters of these codes' faces."""
        ...

    def portraits(
        self, codes: Float[Tensor, "images code"], resolution: int, style: str, params: FaceParams | None = None
    ) -> tuple[Float[Tensor, "images 3 height width"], FaceParams]:
        """Pictures in [−1, 1] and their exact parameters; params: these instead of the codes' own, all else the same."""
        ...


class ProceduralWorld:
    """The built-in head with all that belongs to a person."""

    key = ""
    styles = STYLES

    @cached_property
    def model(self) -> MorphableModel:
        return build_head().model

    def params(self, codes: Float[Tensor, "images code"]) -> FaceParams:
        from cddfm.world.codes import split
        from cddfm.world.people import face_params

        return face_params(split(codes), self._model_on(codes.device))

    def _model_on(self, device: torch.device) -> MorphableModel:
        return self.model if self.model.mean.device == device else self.model.to(device)

    @torch.no_grad()
    def portraits(
        self, codes: Float[Tensor, "images code"], resolution: int, style: str, params: FaceParams | None = None
    ) -> tuple[Float[Tensor, "images 3 height width"], FaceParams]:
        from cddfm.world import draw, scene

        drawn = scene(codes)
        drawn = drawn if params is None else replace(drawn, params=params)
        return draw(drawn, resolution, style).image, drawn.params


def world_of(stack: Path) -> World:
    """The world that the networks of this stack folder belong to."""
    from cddfm.morphable_world import MorphableWorld

    path = stack / MODEL_FILE
    return MorphableWorld(load(path)) if path.is_file() else ProceduralWorld()


def adopt(stack: Path, source: Path) -> None:
    """Make a model the one of a new stack; the same model again changes nothing. Raises UserError where the stack has another."""
    model, path = load(source), stack / MODEL_FILE
    if path.is_file():
        if not _same(load(path), model):
            raise UserError(f"the stack {stack} belongs to another model than {source}; give another --stack, or leave --morphable out")
        return
    if any(stack.glob("*.safetensors")):
        raise UserError(f"the stack {stack} already belongs to the built-in head; give another --stack, or leave --morphable out")
    save_model(path, model)


def _same(one: MorphableModel, two: MorphableModel) -> bool:
    first, second = one.tensors(), two.tensors()
    if first.keys() != second.keys() or one.expression_names != two.expression_names:
        return False
    pairs = [(first[name].float(), second[name].float()) for name in first]
    return all(a.shape == b.shape and torch.allclose(a, b, atol=1e-4) for a, b in pairs)
