"""`train-reconstruction`: the world's portraits of every style → a network that reads face parameters off a picture."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import torch

from cddfm.blocks import layout_sizes
from cddfm.config import Options
from cddfm.data import draw_pool
from cddfm.errors import UserError
from cddfm.loop import train
from cddfm.reconstruct import Reconstructor
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.reconstruction import ReconstructionStage
from cddfm.worlds import world_of
from domains.registry import SOURCE
from stylespace.weights import save_network

ARCHITECTURES = {"estimator": "residual", "judge": "plain"}
"""Other architecture, other seed: what judges an edit shares nothing with what trained it."""


class RecipeOptions(Options):
    """resolution: pixels a side of the network's input. drawn: of the drawn portraits, which are reduced to it. pool: how many of them.
    styled: how many of every other style in `styles`; a picture of a batch comes from a style as often as there are pictures of it.
    start: folder of a stack whose network of the same role and shape this training goes on from."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(resolution=16, drawn=16, pool=32, styled=32, styles=("toon",), total_images=32, batch=16, width=8, hidden=16),
        "small": {},
        "large": dict(resolution=128, pool=60_000, styled=15_000, total_images=1_500_000, batch=128, width=48, hidden=512),
    }

    role: Literal["estimator", "judge"] = "estimator"
    resolution: int = 64
    drawn: int = 128
    pool: int = 22_000
    styled: int = 2_000
    styles: tuple[str, ...] = ("toon", "clay", "painting", "sketch")
    total_images: int = 300_000
    batch: int = 32
    width: int = 32
    hidden: int = 384
    learning_rate: float = 1.5e-3
    start: str = ""


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes estimator.safetensors or judge.safetensors into the stack; True when finished."""
    world = world_of(folders.stack)
    model = world.model.to(device)
    pools = [
        draw_pool(style, count, options.resolution, device, folders.pools, world=world, drawn=options.drawn)
        for style, count in ((SOURCE, options.pool), *((style, options.styled) for style in options.styles))
        if style in world.styles
    ]
    architecture = ARCHITECTURES[options.role]
    torch.manual_seed(options.seed + sum(map(ord, options.role)))
    network = Reconstructor(architecture, options.resolution, layout_sizes(model.layout), options.width, options.hidden).to(device)
    if options.start:
        network.load_state_dict(earlier(Path(options.start), options.role, network).state_dict())
    stage = ReconstructionStage(
        network=network, model=model, pools=pools, total_images=options.total_images, batch=options.batch,
        learning_rate=options.learning_rate, fit_statistics=not options.start,
    )  # fmt: skip
    done = train(stage, options, folders.run(options.role), options.role, seconds=seconds)
    if done:
        notes = {"options": options.model_dump(), "images": options.total_images}
        save_network(folders.stack / f"{options.role}.safetensors", network, notes, half=True)
    return done


def earlier(folder: Path, role: Literal["estimator", "judge"], like: Reconstructor) -> Reconstructor:
    """The stack's network of this role. Raises UserError when its shape is another than that of `like`."""
    stack = Stack(folder)
    network = stack.estimator if role == "estimator" else stack.judge
    if network.arguments != like.arguments:
        differing = sorted(name for name in like.arguments if network.arguments.get(name) != like.arguments[name])
        raise UserError(
            f"the {role} of {folder} has another {' and '.join(differing)} than this training; leave start out to begin from nothing"
        )
    return network
