"""`train-recognition`: several portraits of each of many people → a network that tells whom a picture shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar, Literal

import torch

from cddfm.config import Options
from cddfm.loop import train
from cddfm.people_pool import HELD_OUT_PERSON, People, draw_people, join_people
from cddfm.recognise import Recogniser, Verification, verification
from cddfm.report import say
from cddfm.runs import Folders
from cddfm.stages.recognition import RecognitionStage
from cddfm.styles import OtherStyle
from cddfm.worlds import World, world_of
from domains.registry import SOURCE
from stylespace.weights import save_network

ARCHITECTURES = {"recogniser": "residual", "identity_judge": "plain"}
FIRST_PERSON = {"recogniser": 0, "identity_judge": 100_000}
"""Other architecture, other people, other seed: what judges who somebody is shares nothing with what may have trained an edit."""


class RecipeOptions(Options):
    """resolution: pixels a side of the portraits and of the network's input. people: how many are learnt, from `pictures` portraits each.
    styled: how many of them are also drawn in other styles. held_out: people that the finished network is tested on, as portraits. scale,
    margin: ArcFace's."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(
            resolution=16, people=6, pictures=4, styled={"toon": 2}, held_out=3, total_images=32, batch=16, width=8, features=16
        ),
        "small": {},
        "large": dict(
            resolution=128, people=10_000, pictures=12, styled={"toon": 1_000}, held_out=500, total_images=3_000_000, batch=256, width=48,
        ),
    }

    role: Literal["recogniser", "identity_judge"] = "recogniser"
    resolution: int = 64
    people: int = 1_200
    pictures: int = 8
    styled: dict[OtherStyle, int] = {"toon": 200}
    held_out: int = 100
    total_images: int = 250_000
    batch: int = 64
    width: int = 24
    features: int = 128
    learning_rate: float = 1.5e-3
    scale: float = 30.0
    margin: float = 0.4


def pool_of(options: RecipeOptions, folders: Folders, device: str, world: World) -> People:
    """The people of a role; those in other styles are the first ones again."""
    first = FIRST_PERSON[options.role]
    counts = [(SOURCE, options.people), *((style, min(count, options.people)) for style, count in options.styled.items())]
    return join_people([
        draw_people(count, options.pictures, options.resolution, folders.pools, first=first, style=style, device=device, world=world)
        for style, count in counts
        if count and style in world.styles
    ])  # fmt: skip


def held_out_of(options: RecipeOptions, folders: Folders, device: str, world: World) -> People:
    """Portraits of people whom neither role has learnt."""
    return draw_people(
        options.held_out, options.pictures, options.resolution, folders.pools, first=HELD_OUT_PERSON, device=device, world=world
    )


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes recogniser.safetensors or identity_judge.safetensors into the stack; True when finished."""
    world = world_of(folders.stack)
    people = pool_of(options, folders, device, world)
    strangers = held_out_of(options, folders, device, world)
    torch.manual_seed(options.seed + sum(map(ord, options.role)))
    network = Recogniser(ARCHITECTURES[options.role], options.resolution, options.width, options.features).to(device)
    stage = RecognitionStage(
        network=network, people=people, total_images=options.total_images, batch=options.batch, learning_rate=options.learning_rate,
        scale=options.scale, margin=options.margin,
    )  # fmt: skip
    done = train(stage, options, folders.run(options.role), options.role, seconds=seconds)
    if done:
        found = asdict(verify(network, strangers))
        say(f"{options.role} on {options.held_out} people it never saw: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()))
        notes = {"options": options.model_dump(), "images": options.total_images, "held_out": found}
        save_network(folders.stack / f"{options.role}.safetensors", network, notes, half=True)
    return done


@torch.no_grad()
def verify(network: Recogniser, people: People) -> Verification:
    """Same or different person? Over all pairs of these portraits."""
    images, numbers = people.take(torch.arange(len(people)))
    return verification(network.eval().embed(images), numbers)
