"""`select-layers`: answers to a change of one attribute at a time → layers.json and layers.png."""

from __future__ import annotations

import io
import json
from typing import ClassVar, Literal

import torch
from torch import Tensor

from cddfm.attribution import heat_map, rig_answers, twin_answers
from cddfm.config import Options
from cddfm.objectives import resized
from cddfm.recipes.twins import load_twins
from cddfm.report import say
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.twins import has_twins
from stylespace.select import select_layers
from stylespace.weights import write_atomically


class RecipeOptions(Options):
    """answers: whose answers show what serves an attribute: the base's RigNets (as in CDDFM3D), or the twins that a generator of the
    world has (stages/twins.py); best takes twins where there are any. total_images: pairs of codes per attribute. coverage: share of an
    attribute's change that its layers must explain. resolution: at which pictures are compared. pool, drawn: what twins start from
    (recipes/twins.py)."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(total_images=4, resolution=16, pool=8, drawn=16),
        "small": {},
        "large": dict(total_images=512, pool=60_000),
    }

    answers: Literal["best", "base", "twins"] = "best"
    total_images: int = 256
    batch: int = 48
    coverage: float = 0.97
    resolution: int = 64
    pool: int = 46_000
    drawn: int = 128


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes layers.json and layers.png into the stack; `seconds` is not needed, since this takes a minute or two."""
    stack = Stack(folders.stack, device)
    generator = stack.generator
    twins = options.answers == "twins" or (options.answers == "best" and has_twins(stack))
    if twins:
        answers = twin_answers(load_twins(stack, folders, options), options.total_images, options.seed)
    else:
        answers = rig_answers(stack.base, generator, options.total_images, options.seed)

    def draw(s: Tensor) -> Tensor:
        resolution = min(options.resolution, generator.resolution)
        return torch.cat([resized(generator.synthesise(part), resolution) for part in s.split(options.batch)])

    codes = torch.cat([s for s, _ in answers.values()])
    selection = select_layers(generator.style_layout, answers, draw, codes.std(dim=0), coverage=options.coverage)
    table = selection.to_json() | {"answers": "twins" if twins else "base", "options": options.model_dump()}
    picture = io.BytesIO()
    heat_map(selection.table(), selection.selected).save(picture, "PNG")
    write_atomically(folders.stack / "layers.png", picture.getvalue())
    write_atomically(folders.stack / "layers.json", json.dumps(table, indent=2).encode())
    for attribute, names in selection.selected.items():
        explained, stability = selection.explained[attribute], selection.stability[attribute]
        say(f"{attribute}: {', '.join(names)} (explain {explained:.0%}, stability {stability:.2f})")
    return True
