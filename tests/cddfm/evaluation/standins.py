"""A stack without networks: a style code is a face's parameters, a picture spells them out pixel by pixel, the judge reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from cddfm.compose import Photograph
from cddfm.morphable import MorphableModel
from cddfm.params import FaceParams
from cddfm.render import project_landmarks
from cddfm.stack import Stack
from stylespace.embed import Embedding, Learned
from stylespace.generator import Generator
from stylespace.invert import Inversion
from tests.cddfm.standins import small_model

SIDE = 16
STRENGTH = 4.0
"""Parameters are divided by this to fit into a picture's range."""


def spelled(flat: Tensor) -> Tensor:
    """Parameters → picture, exact to rounding."""
    image = torch.zeros(len(flat), 3 * SIDE * SIDE, dtype=flat.dtype)
    image[:, : flat.shape[1]] = flat / STRENGTH
    return image.unflatten(1, (3, SIDE, SIDE))


class Speller(Generator):
    """A generator whose style codes are parameters; shares z = s."""

    def __init__(self, model: MorphableModel):
        torch.nn.Module.__init__(self)
        self.resolution, self.z_dim = SIDE, model.layout.total
        self.neutral = FaceParams.neutral(model.layout, 1).flatten()

    def map(self, z: Tensor) -> Tensor:
        return self.neutral + 0.2 * z

    def broadcast(self, w: Tensor) -> Tensor:
        return w

    def styles(self, w: Tensor) -> Tensor:
        return w

    def synthesise(self, s: Tensor) -> Tensor:
        return spelled(s)


class Reader:
    """Estimator and judge: sees `strength` of what it is shown, towards the mean of nothing."""

    def __init__(self, model: MorphableModel, strength: float = 1.0):
        self.layout, self.strength = model.layout, strength
        self.arguments = {"architecture": "spelled"}

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : self.layout.total] * STRENGTH

    def __call__(self, images: Tensor) -> FaceParams:
        return FaceParams.unflatten(self.layout, images.flatten(1)[:, : self.layout.total] * STRENGTH * self.strength)


class SpelledWorld:
    """Portraits that spell their parameters; the code's first numbers are the parameters."""

    key, styles = "spelled", ("portrait", "toon")

    def __init__(self, model: MorphableModel):
        self.model = model

    def params(self, codes: Tensor) -> FaceParams:
        neutral = FaceParams.neutral(self.model.layout, len(codes)).flatten()
        return FaceParams.unflatten(self.model.layout, neutral + 0.2 * codes[:, : neutral.shape[1]])

    def portraits(self, codes: Tensor, resolution: int, style: str, params: FaceParams | None = None) -> tuple[Tensor, FaceParams]:
        params = self.params(codes) if params is None else params
        return spelled(params.flatten()), params


class Moves:
    """A method that carries out `share` of what it is asked, and puts `spill` of it onto the first albedo number too."""

    def __init__(self, model: MorphableModel, share: float = 1.0, spill: float = 0.0):
        self.layout, self.share, self.spill = model.layout, share, spill

    def predict(self, s: Tensor) -> FaceParams:
        return FaceParams.unflatten(self.layout, s)

    def edit(self, s: Tensor, deltas: Mapping[str, Tensor]) -> Tensor:
        s = s.clone()
        for attribute, delta in deltas.items():
            s[:, self.layout.slices[attribute]] += self.share * delta
            s[:, self.layout.slices["albedo"].start] += self.spill * delta.abs().sum(dim=1)
        return s


class Faces:
    """A recogniser that looks at identity and albedo alone."""

    def __init__(self, model: MorphableModel):
        self.layout = model.layout

    def embed(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        parts = torch.cat([flat[:, self.layout.slices[name]] for name in ("identity", "albedo")], dim=1)
        return torch.nn.functional.normalize(parts, dim=1)


def spelled_back(generator, encode, image, steps, features) -> Embedding:
    """A picture that spells its code, embedded a little off."""
    s = image.flatten(1)[:, : generator.z_dim] * STRENGTH
    inversion = Inversion(s + 0.05, s + 0.1, s[:, None], image, torch.zeros(1))
    return Embedding(inversion, Unlearned({}), 0.0)


class Unlearned(Learned):
    """Nothing: every generator stays as it is."""

    def onto(self, generator: Speller) -> Speller:
        return generator

    def elsewhere(self, generator: Speller) -> Speller:
        return generator


def composed(photograph: Photograph, edited: Tensor, after: FaceParams, model: MorphableModel) -> Tensor:
    """The photograph with the whole of a change."""
    return photograph.image + (edited - photograph.drawn)


class SpelledStack(Stack):
    """What the evaluation asks of a stack; pictures are embedded by `spelled_back`."""

    encode = None

    def __init__(self, folder: Path, strength: float = 1.0, identity: bool = True):
        self.folder, self.device, self.strength = folder, "cpu", strength
        self.identity_judge = Faces(self.model) if identity else None

    @cached_property
    def model(self) -> MorphableModel:
        return small_model()

    @cached_property
    def world(self) -> SpelledWorld:
        return SpelledWorld(self.model)

    @cached_property
    def generator(self) -> Speller:
        return Speller(self.model)

    @cached_property
    def editor(self) -> Moves:
        return Moves(self.model)

    @cached_property
    def estimator(self) -> Reader:
        return Reader(self.model)

    def landmarker(self, images: Tensor) -> Tensor:
        return project_landmarks(self.model, self.estimator(images))

    @cached_property
    def judge(self) -> Reader:
        return Reader(self.model, self.strength)

    def domain(self, name: str) -> Speller:
        return self.generator
