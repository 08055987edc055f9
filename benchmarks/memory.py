"""Most memory that inference holds: one contestant per process, because a process never forgets its peak."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import torch
import typer

from benchmarks.contestants import Size, contestants, make_generator, make_styles, parse_sizes
from benchmarks.machine import ROOT, peak_resident_bytes
from cddfm.report import results

CALLS = 3
"""Pictures in a row: what one call leaves behind must not add up."""


def measure(size: Size, batch: int, contestant: str, threads: int) -> dict[str, Any]:
    """Megabytes before and after drawing, from a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", f"{size.resolution}:{size.channel_base}", str(batch), contestant, str(threads)]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(answer.stdout)


def main(size: str, batch: int, contestant: str, threads: int) -> None:
    """Draw with one contestant and print the peak as JSON."""
    torch.set_num_threads(threads)
    generator = make_generator(parse_sizes(size)[0])
    s, draw = make_styles(generator, batch), contestants(generator)[contestant]
    before = peak_resident_bytes()
    with torch.no_grad():
        for _ in range(CALLS):
            draw(s)
    facts = {"before_mb": round(before / 1e6), "peak_mb": round(peak_resident_bytes() / 1e6)}
    results.print(json.dumps(facts), markup=False)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
