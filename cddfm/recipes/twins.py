"""What the commands that learn from twins load: portraits, and the twins that start from them."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from cddfm.data import Pool, draw_pool
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.twins import Twins, twins_of
from domains.registry import SOURCE


@runtime_checkable
class TwinOptions(Protocol):
    """pool: portraits, drawn at `drawn` pixels a side."""

    pool: int
    drawn: int


def load_twins(stack: Stack, folders: Folders, options: TwinOptions) -> tuple[Pool, Twins]:
    """The portraits, and the stack's twins that start from them. Raises UserError when its generator has none."""
    portraits = draw_pool(SOURCE, options.pool, **drawing(stack, folders, options))
    return portraits, twins_of(stack, portraits)


def drawing(stack: Stack, folders: Folders, options: TwinOptions) -> dict[str, Any]:
    """How the stack's pools are drawn: arguments of `draw_pool`."""
    return dict(resolution=stack.generator.resolution, device=stack.device, cache=folders.pools, world=stack.world, drawn=options.drawn)
