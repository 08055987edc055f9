"""`train-editor`: generator, estimator and selected layers → attribute prediction and latent manipulation."""

from __future__ import annotations

from typing import ClassVar

import torch

from cddfm.blocks import layout_sizes, style_layers
from cddfm.config import Options
from cddfm.loop import train
from cddfm.manipulator import EditorNetworks
from cddfm.predictor import Predictor
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.editor import ManipulatorStage, PredictorStage
from cddfm.stages.sampling import measure_population
from stylespace.weights import save_network


class RecipeOptions(Options):
    """predictor_images: images of the predictor's training before the manipulators' total_images. population: codes that statistics are
    measured on."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(predictor_images=16, total_images=8, batch=4, predictor_hidden=(16,), manipulator_hidden=8, population=32),
        "small": {},
        "large": dict(predictor_images=500_000, total_images=600_000, batch=64, population=20_000, manipulator_hidden=512),
    }

    predictor_images: int = 50_000
    total_images: int = 24_000
    batch: int = 16
    predictor_hidden: tuple[int, ...] = (1024, 512)
    manipulator_hidden: int = 192
    population: int = 2_000
    learning_rate: float = 1e-3


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes editor.safetensors into the stack; True when finished."""
    stack = Stack(folders.stack, device)
    model = stack.model
    layout, sizes = stack.generator.style_layout, layout_sizes(stack.estimator.layout)
    torch.manual_seed(options.seed)
    predictor = Predictor(layout.style_dim, sizes, list(options.predictor_hidden)).to(device)
    population = measure_population(stack.generator, stack.estimator, options.population, options.seed)
    shared = dict(
        generator=stack.generator, estimator=stack.estimator, model=model, population=population, batch=options.batch,
        learning_rate=options.learning_rate,
    )  # fmt: skip
    predictor_options = options.model_copy(update={"total_images": options.predictor_images})
    half = options.predictor_images // 2
    stage = PredictorStage(predictor=predictor, total_images=options.predictor_images, check_after=half, **shared)
    if not train(stage, predictor_options, folders.run("predictor"), "predictor", seconds=seconds):
        return False
    networks = EditorNetworks(
        predictor=predictor.arguments,
        manipulator=dict(
            layers=style_layers(layout), selection=stack.layers["selected"], sizes=sizes, hidden=options.manipulator_hidden
        ),
    ).to(device)
    networks.predictor.load_state_dict(predictor.state_dict())
    last = ManipulatorStage(manipulator=networks.manipulator, predictor=networks.predictor, total_images=options.total_images, **shared)
    done = train(last, options, folders.run("manipulator"), "manipulators", seconds=seconds)
    if done:
        notes = {"options": options.model_dump(), "images": options.predictor_images + options.total_images}
        save_network(folders.stack / "editor.safetensors", networks, notes, half=True)
    return done
