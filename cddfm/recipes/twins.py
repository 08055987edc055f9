"""What the commands that learn from twins load."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from cddfm.data import draw_pool
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.twins import Twins, twins_of
from domains.registry import SOURCE


@runtime_checkable
class TwinOptions(Protocol):
    """pool: portraits, drawn at `drawn` pixels a side, or as large as the generator's if that is more."""

    pool: int
    drawn: int


def load_twins(stack: Stack, folders: Folders, options: TwinOptions) -> Twins:
    """The stack's twins, which start from the portraits. Raises UserError when its generator has none."""
    return twins_of(stack, draw_pool(SOURCE, options.pool, **drawing(stack, folders, options)))


def drawing(stack: Stack, folders: Folders, options: TwinOptions) -> dict[str, Any]:
    """How the stack's pools are drawn: arguments of `draw_pool`."""
    resolution = stack.generator.resolution
    return dict(
        resolution=resolution, device=stack.device, cache=folders.pools, world=stack.world, drawn=max(options.drawn, resolution)
    )  # fmt: skip
