"""`train-editor`: generator, estimator and selected layers → attribute prediction and latent manipulation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch

from cddfm.blocks import layout_sizes, style_layers
from cddfm.config import Options
from cddfm.data import FRESH_SEED, draw_pool
from cddfm.loop import train
from cddfm.manipulator import EditorNetworks
from cddfm.predictor import Predictor
from cddfm.recipes.twins import drawing, load_twins
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.calibrate import calibrate, describe, trials_of
from cddfm.stages.editor import ManipulatorStage, PredictorStage, estimator_lessons
from cddfm.stages.sampling import measure_population
from cddfm.stages.twin_editor import TwinManipulatorStage, twin_lessons, twin_population
from cddfm.stages.twins import has_twins
from domains.registry import SOURCE
from stylespace.weights import save_network


class RecipeOptions(Options):
    """teacher: what tells whether an edit is right. twins: code and picture of the same scene with the change made, which a generator of
    the world has (stages/twins.py). estimator: the estimator's reading of the edited picture, for any generator. best: twins where
    there are any. layers: the selected ones, or all, to see what selection buys (written to editor-all-layers.safetensors).

    predictor_images: codes of the predictor's training; start_images: codes of the manipulators' start in style space (twins only);
    total_images: pictures of their last part. population: codes that statistics are measured on. pool, drawn: what twins start from
    (recipes/twins.py). pairs: of portraits and twins that the estimator was not trained on, by which gains are calibrated; 0 leaves gains
    at 1. corrections: Newton steps of each later edit (manipulator.EditorNetworks).
    """

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(
            predictor_images=16, start_images=16, start_batch=8, total_images=8, batch=4, predictor_hidden=(16,), manipulator_hidden=8,
            population=32, drawn=16, pool=8, pairs=8, resolution=16,
        ),
        "small": {},
        "large": dict(
            predictor_images=2_000_000, start_images=2_000_000, total_images=600_000, batch=64, population=20_000, manipulator_hidden=512,
            pool=60_000, pairs=60_000, resolution=256,
        ),
    }  # fmt: skip

    teacher: Literal["best", "twins", "estimator"] = "best"
    layers: Literal["selected", "all"] = "selected"
    predictor_images: int = 200_000
    start_images: int = 300_000
    start_batch: int = 128
    total_images: int = 16_000
    batch: int = 16
    resolution: int = 128
    predictor_hidden: tuple[int, ...] = (384, 192)
    manipulator_hidden: int = 160
    population: int = 4_000
    drawn: int = 128
    pool: int = 46_000
    pairs: int = 3_000
    learning_rate: float = 1e-3
    corrections: int = 0


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes editor.safetensors into the stack; True when finished."""
    stack = Stack(folders.stack, device)
    layers, sizes = style_layers(stack.generator.style_layout), layout_sizes(stack.estimator.layout)
    torch.manual_seed(options.seed)
    predictor = Predictor(stack.generator.style_layout.style_dim, sizes, list(options.predictor_hidden)).to(device)
    by_twins = options.teacher == "twins" or (options.teacher == "best" and has_twins(stack))
    teaching = _Twins(options, folders, stack) if by_twins else _Estimator(options, stack)
    stage = PredictorStage(
        predictor=predictor, lessons=teaching.lessons, model=stack.model, population=teaching.population,
        total_images=options.predictor_images, batch=teaching.predictor_batch, learning_rate=options.learning_rate,
        check_after=options.predictor_images // 2,
    )  # fmt: skip
    if not _train(stage, options.model_copy(update={"layers": "selected"}), folders, "predictor", seconds):  # the same for either choice
        return False
    selection = stack.layers["selected"] if options.layers == "selected" else _all_layers(stack)
    networks = EditorNetworks(
        predictor=predictor.arguments,
        manipulator=dict(layers=layers, selection=selection, sizes=sizes, hidden=options.manipulator_hidden),
        corrections=options.corrections,
    ).to(device)
    networks.predictor.load_state_dict(predictor.state_dict())
    name = "manipulator" if options.layers == "selected" else "manipulator-all-layers"
    for suffix, part in teaching.manipulator(networks):
        if not _train(part, options, folders, name + suffix, seconds):
            return False
    teaching.finish(networks)
    images = options.predictor_images + options.total_images
    gains = describe(stack.model.layout, networks.manipulator.gains)
    notes = {"options": options.model_dump(), "images": images, "teacher": "twins" if by_twins else "estimator", "gains": gains}
    variant = "editor" if options.layers == "selected" else "editor-all-layers"
    save_network(folders.stack / f"{variant}.safetensors", networks, notes, half=True)
    return True


def _train(stage: Any, options: RecipeOptions, folders: Folders, name: str, seconds: float | None) -> bool:
    """One stage by its own count and batch."""
    counted = options.model_copy(update={"total_images": stage.total_images, "batch": stage.batch})
    return train(stage, counted, folders.run(name), name, seconds=seconds)


def _all_layers(stack: Stack) -> dict[str, list[str]]:
    return dict.fromkeys(stack.layers["selected"], list(stack.generator.style_layout.names))


class _Estimator:
    """The estimator's reading of pictures teaches."""

    def __init__(self, options: RecipeOptions, stack: Stack):
        self.options, self.stack, self.predictor_batch = options, stack, options.batch
        self.population = measure_population(stack.generator, stack.estimator, options.population, options.seed)
        self.lessons = estimator_lessons(stack.generator, stack.estimator)

    def manipulator(self, networks: EditorNetworks) -> list[tuple[str, Any]]:
        stack, options = self.stack, self.options
        stage = ManipulatorStage(
            manipulator=networks.manipulator, predictor=networks.predictor, generator=stack.generator, estimator=stack.estimator,
            model=stack.model, population=self.population, total_images=options.total_images, batch=options.batch,
            learning_rate=options.learning_rate,
        )  # fmt: skip
        return [("", stage)]

    def finish(self, networks: EditorNetworks) -> None:
        """Without exact parameters there is nothing to calibrate against."""


class _Twins:
    """Twins teach: codes first, then pictures."""

    def __init__(self, options: RecipeOptions, folders: Folders, stack: Stack):
        self.options, self.folders, self.stack, self.predictor_batch = options, folders, stack, options.start_batch
        self.twins = load_twins(stack, folders, options)
        self.population = twin_population(self.twins, options.population, options.seed)
        self.lessons = twin_lessons(self.twins, self.population)

    def manipulator(self, networks: EditorNetworks) -> list[tuple[str, Any]]:
        options, stack = self.options, self.stack
        shared = dict(
            manipulator=networks.manipulator, twins=self.twins, population=self.population, learning_rate=options.learning_rate
        )
        start = TwinManipulatorStage(total_images=options.start_images, batch=options.start_batch, **shared)
        pictures = shared | dict(  # what is nearly right is easily spoilt
            generator=stack.generator, estimator=stack.estimator, learning_rate=options.learning_rate / 20,
            resolution=min(options.resolution, stack.generator.resolution), style_weight=0.2,
        )  # fmt: skip
        return [("-start", start), ("", TwinManipulatorStage(total_images=options.total_images, batch=options.batch, **pictures))]

    def finish(self, networks: EditorNetworks) -> None:
        """Calibration, if asked for."""
        if self.options.pairs:
            stack = self.stack
            portraits, drawn = (
                draw_pool(SOURCE, self.options.pairs, seed=FRESH_SEED, twins=twins, **drawing(stack, self.folders, self.options))
                for twins in (False, True)
            )
            trials = trials_of(self.twins, stack.estimator, portraits, drawn)
            calibrate(networks.manipulator, stack.generator, stack.estimator, trials, stack.model.expression_names)
