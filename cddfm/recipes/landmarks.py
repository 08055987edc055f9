"""`train-landmarks`: the world's pictures in several styles → a network that tells where the landmarks of a face lie."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from cddfm.config import Options
from cddfm.data import HELD_OUT_SEED, Pool, draw_pool, join
from cddfm.errors import UserError
from cddfm.landmarks import Landmarker
from cddfm.loop import train
from cddfm.report import say
from cddfm.runs import Folders
from cddfm.stages.landmarks import LandmarkStage, landmarks_of
from cddfm.styles import OtherStyle
from cddfm.worlds import world_of
from domains.registry import SOURCE
from stylespace.weights import save_network

Width = Annotated[int, Field(ge=8, multiple_of=8)]

READ_BATCH = 64
"""Pictures that the finished network reads at once."""


class RecipeOptions(Options):
    """resolution: pixels a side of the portraits and of the network's input. pool: how many scenes are drawn, each with its twin, and in
    every one of `styles` as well as portraits. held_out: portraits that the finished network is tested on. widths, top: `Landmarker`'s."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(resolution=16, pool=16, styles=("toon",), held_out=4, total_images=32, batch=16, widths=(8, 8), top=8),
        "small": {},
        "large": dict(
            resolution=256, pool=30_000, total_images=5_000_000, batch=256, widths=(32, 64, 96, 128, 128, 128), top=64,
        ),
    }  # fmt: skip

    resolution: int = 128
    pool: int = 5_000
    styles: tuple[OtherStyle, ...] = ("toon", "clay")
    held_out: int = 200
    total_images: int = 150_000
    batch: int = 32
    widths: Annotated[tuple[Width, ...], Field(min_length=2)] = (16, 32, 48, 48, 48)
    top: Width = 32
    learning_rate: float = 2e-3


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes landmarker.safetensors into the stack; True when finished."""
    if options.resolution % 2 ** len(options.widths):
        raise UserError(f"{options.resolution} px cannot be halved {len(options.widths)} times; give another resolution, or fewer widths")
    world = world_of(folders.stack)
    model = world.model.to(device)

    def drawn(style: str, count: int, seed: int = 0, twins: bool = False) -> Pool:
        return draw_pool(style, count, options.resolution, device, folders.pools, seed=seed, world=world, twins=twins)

    styles = [SOURCE, *(style for style in options.styles if style in world.styles)]
    pools = [join(drawn(style, options.pool), drawn(style, options.pool, twins=True)) for style in styles]
    strangers = drawn(SOURCE, options.held_out, seed=HELD_OUT_SEED)
    torch.manual_seed(options.seed)
    network = Landmarker(options.resolution, options.widths, options.top).to(device)
    stage = LandmarkStage(
        network=network, model=model, pools=pools, total_images=options.total_images, batch=options.batch,
        learning_rate=options.learning_rate,
    )  # fmt: skip
    done = train(stage, options, folders.run("landmarks"), "landmarks", seconds=seconds)
    if done:
        found = distance(network.eval(), strangers, landmarks_of(model, strangers))
        say(f"landmarks of {options.held_out} portraits it never saw: {found:.4f} from the true ones in the mean, the picture being 2 wide")
        notes = {"options": options.record(), "images": options.total_images, "held_out": found}
        save_network(folders.stack / "landmarker.safetensors", network, notes, half=True)
    return done


@torch.no_grad()
def distance(network: Landmarker, portraits: Pool, landmarks: Float[Tensor, "portraits 68 2"]) -> float:
    """Mean distance in ndc of what the network finds in a pool's pictures from where the landmarks lie."""
    found = [network(portraits.take(rows)[0]) for rows in torch.arange(len(portraits)).split(READ_BATCH)]
    return float((torch.cat(found) - landmarks).norm(dim=-1).mean())
