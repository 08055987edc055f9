"""`train-reconstruction`: the world's portraits of every style → a network that reads face parameters off a picture."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, get_args

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
from cddfm.styles import OtherStyle
from cddfm.worlds import world_of
from domains.registry import SOURCE
from stylespace.weights import save_network

Role = Literal["estimator", "judge", "onlooker"]

ARCHITECTURES: dict[Role, str] = {"estimator": "residual", "judge": "plain", "onlooker": "plain"}
"""Other architecture, other seed: what judges an edit shares nothing with what trained it. The onlooker is built as the judge is, of a seed
of its own, and sees what domains draw while they learn (domains.likeness): no network but the judge itself judges."""


class RecipeOptions(Options):
    """resolution: pixels a side of what either look sees. drawn: of the drawn portraits, which the first look sees reduced, and from which
    the second takes faces. pool: how many of them, each with its twin. styled: how many of other styles; a pair of a
    batch comes from a style as often as there are pictures of it. total_images, close_images: of the first look, and of the second; none
    for one that stays as it is. start: folder of a stack whose network of the same role and shape this training goes on from, though it may
    have taken faces from smaller pictures."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(
            resolution=16, drawn=16, pool=32, styled={"toon": 32}, total_images=32, close_images=32, batch=16,
            width=8, hidden=16, close_width=8, close_hidden=16,
        ),
        "small": {},
        "large": dict(
            resolution=128, drawn=256, pool=90_000, styled=dict.fromkeys(get_args(OtherStyle), 15_000), total_images=1_500_000,
            close_images=1_500_000, batch=128, width=48, hidden=512, close_width=32,
        ),
    }  # fmt: skip

    role: Role = "estimator"
    resolution: int = 64
    drawn: int = 128
    pool: int = 90_000
    styled: dict[OtherStyle, int] = {"toon": 12_000, "clay": 4_000, "painting": 4_000, "sketch": 4_000}
    total_images: int = 300_000
    close_images: int = 600_000
    batch: int = 32
    width: int = 32
    hidden: int = 384
    close_width: int = 24
    close_hidden: int = 256
    learning_rate: float = 1.5e-3
    start: str = ""


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes the network into the stack, under its role; True when finished."""
    world = world_of(folders.stack)
    model = world.model.to(device)
    wanted = {SOURCE: options.pool} | options.styled
    pools, twins = (
        [
            draw_pool(style, count, options.drawn, device, folders.pools, world=world, twins=twin)
            for style, count in wanted.items()
            if style in world.styles
        ]
        for twin in (False, True)
    )
    architecture = ARCHITECTURES[options.role]
    torch.manual_seed(options.seed + sum(map(ord, options.role)))
    network = Reconstructor(
        architecture, options.resolution, layout_sizes(model.layout), options.width, options.hidden, options.close_width,
        options.close_hidden, options.drawn,
    ).to(device)  # fmt: skip
    network.unwrap.fit(model)
    if options.start:
        network.load_state_dict(earlier(Path(options.start), options.role, network).state_dict())
    shared = dict(network=network, model=model, pools=pools, twins=twins, batch=options.batch, learning_rate=options.learning_rate)
    done = True
    for close, images in enumerate((options.total_images, options.close_images)):
        if done and images:
            stage = ReconstructionStage(**shared, total_images=images, close=bool(close), fit_statistics=not (close or options.start))
            name = options.role + "-close" * close
            done = train(stage, options.model_copy(update={"total_images": images}), folders.run(name), name, seconds=seconds)
    if done:
        notes = {"options": options.record(), "images": options.total_images + options.close_images}
        save_network(folders.stack / f"{options.role}.safetensors", network.eval(), notes, half=True)
    return done


def earlier(folder: Path, role: Role, like: Reconstructor) -> Reconstructor:
    """The stack's network of this role. Raises UserError when its shape is another than that of `like`."""
    stack = Stack(folder)
    network = getattr(stack, role)
    differing = sorted(name for name in like.arguments if network.arguments[name] != like.arguments[name] and name != "detail")
    if differing:
        raise UserError(
            f"the {role} of {folder} has another {' and '.join(differing)} than this training; leave start out to begin from nothing"
        )
    return network
