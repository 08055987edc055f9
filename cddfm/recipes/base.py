"""`train-base`: generator and estimator → StyleRig (DFR first, then the RigNets), its published form in W+, and the ablations of both."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from cddfm.blocks import layout_sizes, style_layers
from cddfm.config import Options
from cddfm.loop import train
from cddfm.rig import StyleRig
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.base import DFRStage, RigNetStage
from cddfm.stages.sampling import measure_population
from cddfm.w_plus import enter_w_plus, leave_w_plus, vector_layers
from stylespace.weights import save_network


class RecipeOptions(Options):
    """space: what the RigNets edit, the layers of style space (s) or the vectors of W+ as published (w_plus). ablation: a loss that is left
    out, or steering: RigNets that do not see the code. Each is a file of its own, such as stylerig-no-edit.safetensors.

    dfr_images: images of the DFR's training before the RigNets' total_images; one DFR serves all variants. population: codes that
    statistics are measured on. render_resolution: pixels of the rendered losses.
    """

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(dfr_images=8, total_images=16, batch=4, hidden=16, population=64, render_resolution=16),
        "small": {},
        "large": dict(dfr_images=200_000, total_images=300_000, batch=64, render_resolution=96, rendered=64),
    }

    space: Literal["s", "w_plus"] = "s"
    ablation: Literal["none", "no-reconstruction", "no-edit", "no-consistency", "steering"] = "none"
    dfr_images: int = 12_000
    total_images: int = 20_000
    batch: int = 16
    hidden: int = 512
    population: int = 2048
    rendered: int = 2
    render_resolution: int = 48
    learning_rate: float = 1e-3


def variant(options: RecipeOptions) -> str:
    """What the file and the run are called: base and base-no-edit in style space, stylerig and stylerig-no-edit in W+, …"""
    name = "stylerig" if options.space == "w_plus" else "base"
    return name if options.ablation == "none" else f"{name}-{options.ablation}"


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes base.safetensors, stylerig.safetensors or a variant's file into the stack; True when finished."""
    stack = Stack(folders.stack, device)
    model, generator = stack.model, stack.generator
    torch.manual_seed(options.seed)
    layers = vector_layers(generator.style_layout) if options.space == "w_plus" else style_layers(generator.style_layout)
    rig = StyleRig(layers, layout_sizes(stack.estimator.layout), options.hidden, options.ablation == "steering").to(device)
    shared = dict(
        rig=rig, generator=generator, estimator=stack.estimator, model=model, batch=options.batch,
        learning_rate=options.learning_rate, rendered=options.rendered, render_resolution=options.render_resolution,
    )  # fmt: skip
    dfr_options = options.model_copy(update={"total_images": options.dfr_images, "space": "s", "ablation": "none"})
    population = measure_population(generator, stack.estimator, options.population)
    dfr = DFRStage(population=population, total_images=options.dfr_images, **shared)
    if not train(dfr, dfr_options, folders.run("base-dfr"), "DFR", seconds=seconds):
        return False
    if options.space == "w_plus":
        enter_w_plus(rig, generator)
    left_out = {f"{options.ablation.removeprefix('no-')}_weight": 0.0} if options.ablation.startswith("no-") else {}
    name = variant(options)
    done = train(RigNetStage(total_images=options.total_images, **left_out, **shared), options, folders.run(name), name, seconds=seconds)
    if done:
        if options.space == "w_plus":
            leave_w_plus(rig)
        notes = {"options": options.model_dump(), "images": options.dfr_images + options.total_images}
        save_network(folders.stack / f"{name}.safetensors", rig, notes, half=True)
    return done
