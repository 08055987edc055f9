"""Portraits per second that the procedural world draws: `python -m benchmarks.world`.

Every style at several resolutions, everything from scene codes to pictures, as many at once as a training asks for; the styles take turns.
The goal is 40 photographs of 128 pixels per second on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
import typer

from benchmarks import machine
from benchmarks.options import Json, Threads, begin
from benchmarks.timing import take_turns
from cddfm.report import say, show_table
from cddfm.styles import STYLES
from cddfm.world import draw, sample_codes, scene

GOALS = {"portrait": {128: 40.0}}
"""Pictures per second on two cores, by style and resolution."""


def main(
    styles: Annotated[str, typer.Option(help="which, with commas between")] = ",".join(STYLES),
    resolutions: Annotated[str, typer.Option(help="in pixels, with commas between")] = "64,128,256",
    pictures: Annotated[int, typer.Option(help="drawn at once")] = 32,
    rounds: int = 3,
    seconds: Annotated[float, typer.Option(help="go on with further rounds while this lasts, per resolution")] = 0.0,
    threads: Threads = 0,
    device: str = "cpu",
    json: Json = None,
) -> None:
    """Time every style at every resolution, turn by turn in one process."""
    facts = begin(threads, device)
    rows: list[dict[str, Any]] = []
    for resolution in (int(size) for size in resolutions.split(",")):
        say(f"{resolution} px …")
        rows += measure(styles.split(","), resolution, pictures, rounds, seconds, device)
    found = {"machine": facts, "pictures": pictures, "goals": GOALS, "rows": rows, "met": judge(rows)}
    show(found)
    if json is not None:
        machine.write_json(json, found)
        say(f"wrote {json}")


def measure(styles: list[str], resolution: int, pictures: int, rounds: int, seconds: float, device: str = "cpu") -> list[dict[str, Any]]:
    """One row per style."""
    codes = sample_codes(range(pictures)).to(device)
    times = take_turns({style: _draw(codes, resolution, style) for style in styles}, rounds, seconds, device)
    return [
        {
            "style": style,
            "resolution": resolution,
            "per_second": round(pictures / timing.median, 2),
            "per_second_at_best": round(pictures / timing.minimum, 2),
            "spread": round(timing.spread, 3),
            "rounds": len(timing.seconds),
        }
        for style, timing in times.items()
    ]


def _draw(codes: torch.Tensor, resolution: int, style: str) -> Callable[[], object]:
    return lambda: draw(scene(codes), resolution, style)


def judge(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Which goals are met, of those that were measured."""
    return {
        f"{row['style']} {row['resolution']}": row["per_second"] >= GOALS[row["style"]][row["resolution"]]
        for row in rows
        if row["resolution"] in GOALS.get(row["style"], {})
    }


def show(found: dict[str, Any]) -> None:
    names = ["style", "resolution", "per_second", "per_second_at_best", "spread", "rounds"]
    title = f"{found['pictures']} pictures at once on {machine.headline(found['machine'])}"
    columns = ["style", "px", "per second", "at best", "spread", "rounds"]
    show_table(title, columns, [[row[name] for name in names] for row in found["rows"]])
    if found["met"]:
        say("goals: " + ", ".join(f"{name} px {'met' if met else 'missed'}" for name, met in found["met"].items()))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
