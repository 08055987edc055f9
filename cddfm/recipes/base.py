"""`train-base`: generator and estimator → StyleRig in style space (DFR first, then the RigNets)."""

from __future__ import annotations

from typing import ClassVar

import torch

from cddfm.blocks import layout_sizes, style_layers
from cddfm.config import Options
from cddfm.loop import train
from cddfm.rig import StyleRig
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.base import DFRStage, RigNetStage
from stylespace.weights import save_network


class RecipeOptions(Options):
    """dfr_images: images of the DFR's training before the RigNets' total_images. render_resolution: pixels of the rendered losses."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(dfr_images=8, total_images=16, batch=4, hidden=16, render_resolution=16),
        "small": {},
        "large": dict(dfr_images=200_000, total_images=300_000, batch=64, render_resolution=96, rendered=64),
    }

    dfr_images: int = 12_000
    total_images: int = 20_000
    batch: int = 16
    hidden: int = 512
    rendered: int = 2
    render_resolution: int = 48
    learning_rate: float = 1e-3


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes base.safetensors into the stack; True when finished."""
    stack = Stack(folders.stack, device)
    model = stack.model
    torch.manual_seed(options.seed)
    layers = style_layers(stack.generator.style_layout)
    rig = StyleRig(layers, layout_sizes(stack.estimator.layout), options.hidden).to(device)
    shared = dict(
        rig=rig, generator=stack.generator, estimator=stack.estimator, model=model, batch=options.batch,
        learning_rate=options.learning_rate, rendered=options.rendered, render_resolution=options.render_resolution,
    )  # fmt: skip
    dfr_options = options.model_copy(update={"total_images": options.dfr_images})
    dfr = DFRStage(total_images=options.dfr_images, **shared)
    if not train(dfr, dfr_options, folders.run("base-dfr"), "DFR", seconds=seconds):
        return False
    rignets = RigNetStage(total_images=options.total_images, **shared)
    done = train(rignets, options, folders.run("base"), "RigNets", seconds=seconds)
    if done:
        notes = {"options": options.model_dump(), "images": options.dfr_images + options.total_images}
        save_network(folders.stack / "base.safetensors", rig, notes, half=True)
    return done
