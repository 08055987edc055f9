"""`select-layers`: the trained base answers to one attribute at a time → layers.json and layers.png."""

from __future__ import annotations

import io
import json
from typing import ClassVar

from cddfm.attribution import heat_map, measure_responses
from cddfm.config import Options
from cddfm.report import say
from cddfm.runs import Folders
from cddfm.stack import Stack
from stylespace.select import select_layers
from stylespace.weights import write_atomically


class RecipeOptions(Options):
    """total_images: codes whose answers are measured. coverage: share of an attribute's answer that its layers must hold."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(total_images=16),
        "small": {},
        "large": dict(total_images=20_000),
    }

    total_images: int = 4_000
    batch: int = 64
    coverage: float = 0.8


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes layers.json and layers.png into the stack; `seconds` is not needed, since this takes moments."""
    stack = Stack(folders.stack, device)
    responses, scale = measure_responses(stack.base, stack.generator, options.total_images, options.seed)
    selection = select_layers(stack.generator.style_layout, responses, scale, coverage=options.coverage)
    table = selection.to_json() | {"options": options.model_dump()}
    picture = io.BytesIO()
    heat_map(selection.table(), selection.selected).save(picture, "PNG")
    write_atomically(folders.stack / "layers.png", picture.getvalue())
    write_atomically(folders.stack / "layers.json", json.dumps(table, indent=2).encode())
    for attribute, names in selection.selected.items():
        say(f"{attribute}: {', '.join(names)}")
    return True
