"""What every benchmark may be asked for, and how each begins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks import machine
from cddfm.report import say

Threads = Annotated[int, typer.Option(help="0: as torch decides")]
Json = Annotated[Path | None, typer.Option(help="where to write the numbers")]


def begin(threads: int, device: str = "cpu") -> dict[str, Any]:
    """Set the number of threads, and say and give back where numbers are measured."""
    if threads:
        torch.set_num_threads(threads)
    facts = machine.describe(device)
    say(machine.headline(facts))
    return facts
