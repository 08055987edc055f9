"""`train-linear`: generator and estimator → the linear baseline, by ridge regression."""

from __future__ import annotations

from typing import ClassVar

from cddfm.blocks import layout_sizes
from cddfm.config import Options
from cddfm.linear import fit_linear
from cddfm.report import say
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.sampling import read_codes
from stylespace.weights import save_network


class RecipeOptions(Options):
    """total_images: random codes whose pictures the estimator reads."""

    presets: ClassVar[dict[str, dict[str, object]]] = {
        "tiny": dict(total_images=32),
        "small": {},
        "large": dict(total_images=50_000),
    }

    total_images: int = 8_000
    batch: int = 64


def run(options: RecipeOptions, folders: Folders, device: str, seconds: float | None = None) -> bool:
    """Writes linear.safetensors into the stack; `seconds` is not needed, since this takes a few minutes."""
    stack = Stack(folders.stack, device)
    s, flat = read_codes(stack.generator, stack.estimator, options.total_images, options.seed)
    rig, facts = fit_linear(s, flat, layout_sizes(stack.estimator.layout))
    notes = {"options": options.model_dump(), "samples": len(s), "regressions": facts}
    save_network(folders.stack / "linear.safetensors", rig, notes, half=True)
    for name, meaning in (("write", "parameters to codes"), ("read", "codes to parameters")):
        say(f"{meaning}: alpha {facts[name]['alpha']:g}, explains {facts[name]['explained']:.0%} of the variance (leave one out)")
    return True
