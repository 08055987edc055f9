"""What the commands that learn from twins load: portraits, those of them that were drawn with a change, and the twins of both."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cddfm.data import Pool, draw_pool
from cddfm.runs import Folders
from cddfm.stack import Stack
from cddfm.stages.twins import Twins, twins_of
from domains.registry import SOURCE


@runtime_checkable
class TwinOptions(Protocol):
    """pool: portraits, drawn at `drawn` pixels a side. twins: of how many of them the twins are drawn as well."""

    pool: int
    twins: int
    drawn: int


def load_twins(stack: Stack, folders: Folders, options: TwinOptions) -> tuple[Pool, Pool, Twins]:
    """The portraits, the drawn twins of the first of them, and the stack's twins that start from both. Raises UserError when its
    generator has none."""
    shared = dict(resolution=stack.generator.resolution, device=stack.device, cache=folders.pools, world=stack.world, drawn=options.drawn)
    portraits = draw_pool(SOURCE, options.pool, **shared)
    drawn = draw_pool(SOURCE, options.twins, twins=True, **shared)
    return portraits, drawn, twins_of(stack, portraits, drawn)
