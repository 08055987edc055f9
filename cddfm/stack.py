"""A stack: the folder of networks that an edit needs, loaded when first asked for."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cddfm.errors import UserError
from cddfm.landmarks import Landmarker
from cddfm.linear import LinearRig
from cddfm.manipulator import EditorNetworks
from cddfm.morphable import MorphableModel
from cddfm.recognise import Recogniser
from cddfm.reconstruct import Reconstructor
from cddfm.rig import StyleRig
from cddfm.worlds import World, world_of
from domains.registry import domain_names, load_domain
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.weights import load_network

EMBEDDED = Path(__file__).parent / "embedded"


class Stack:
    """Networks of one folder on one device. Raises WeightsError when a file that is asked for is missing or damaged."""

    def __init__(self, folder: Path | None = None, device: torch.device | str = "cpu"):
        self.folder = EMBEDDED if folder is None else folder
        self.device = device
        self._variants: dict[str, nn.Module] = {}
        if not self.folder.is_dir():
            raise UserError(f"the stack folder {self.folder} does not exist; give another, make it with 'make stack', or leave it out")

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    @cached_property
    def world(self) -> World:
        """What the networks were trained on."""
        return world_of(self.folder)

    @cached_property
    def model(self) -> MorphableModel:
        """The morphable model whose parameters the networks speak."""
        return self.world.model.to(self.device)

    @cached_property
    def generator(self) -> Generator:
        return load_network(self.path("generator"), Generator).to(self.device)

    @cached_property
    def encoder(self) -> Encoder:
        return load_network(self.path("encoder"), Encoder).to(self.device)

    @cached_property
    def estimator(self) -> Reconstructor:
        return load_network(self.path("estimator"), Reconstructor).to(self.device)

    @cached_property
    def landmarker(self) -> Landmarker:
        return load_network(self.path("landmarker"), Landmarker).to(self.device)

    @cached_property
    def judge(self) -> Reconstructor:
        return load_network(self.path("judge"), Reconstructor).to(self.device)

    @cached_property
    def onlooker(self) -> Reconstructor:
        return load_network(self.path("onlooker"), Reconstructor).to(self.device)

    @cached_property
    def recogniser(self) -> Recogniser:
        return load_network(self.path("recogniser"), Recogniser).to(self.device)

    @cached_property
    def identity_judge(self) -> Recogniser:
        return load_network(self.path("identity_judge"), Recogniser).to(self.device)

    @cached_property
    def base(self) -> StyleRig:
        return load_network(self.path("base"), StyleRig).to(self.device)

    @cached_property
    def stylerig(self) -> StyleRig:
        return load_network(self.path("stylerig"), StyleRig).to(self.device)

    @cached_property
    def editor(self) -> EditorNetworks:
        return load_network(self.path("editor"), EditorNetworks).to(self.device)

    @cached_property
    def linear(self) -> LinearRig:
        return load_network(self.path("linear"), LinearRig).to(self.device)

    def variant(self, name: str, kind: type[nn.Module]) -> nn.Module:
        """A network of a kind under a name of its own, such as base-no-edit."""
        if name not in self._variants:
            self._variants[name] = load_network(self.path(name), kind).to(self.device)
        return self._variants[name]

    @cached_property
    def layers(self) -> dict[str, object]:
        path = self.folder / "layers.json"
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"the layer selection {path} cannot be read ({error}); make it with 'cddfm select-layers'") from error

    def encode(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch w_dim"]:
        """w of pictures, of which the encoder is told what the estimator reads."""
        facts = self.estimator(images).flatten() if self.encoder.facts else images.new_zeros(len(images), 0)
        return self.encoder(images, facts)

    def domains(self) -> list[str]:
        return domain_names(self.folder)

    def domain(self, name: str) -> Generator:
        if name == "portrait":
            return self.generator
        return load_domain(self.folder, name).to(self.device)
