"""Speed, accuracy and memory of the generator against the published algorithm: `python -m benchmarks.generator`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import torch
import typer

from benchmarks import machine, memory
from benchmarks.contestants import (
    EXACT,
    FAST,
    PUBLISHED,
    SCALED,
    Draw,
    Error,
    Size,
    contestants,
    error_of,
    has_precision,
    make_generator,
    make_styles,
    parse_sizes,
    reference,
)
from benchmarks.options import Json, Threads, begin
from benchmarks.timing import Timing, take_turns
from cddfm.report import say, show_table
from stylespace.generator import Generator

Row = dict[str, Any]

TRAINED = (PUBLISHED, SCALED, EXACT)
"""Who takes part in forward + backward."""

LARGE = 1024
"""Picture size of the memory measurement, where it matters."""


def main(
    sizes: Annotated[str, typer.Option(help="resolution:channel base, …")] = "256:16384,256:32768,1024:32768",
    batches: Annotated[str, typer.Option(help="batch sizes of inference")] = "1,4",
    training: Annotated[str, typer.Option(help="sizes of forward + backward; empty for none")] = "256:16384",
    training_batch: int = 4,
    compiled: Annotated[bool, typer.Option("--compile", help="torch.compile of our fastest path, too: minutes")] = False,
    peak: Annotated[bool, typer.Option("--memory/--no-memory", help="peak memory at the largest size, in processes of their own")] = True,
    rounds: Annotated[int, typer.Option(help="rounds, at least")] = 5,
    seconds: Annotated[float, typer.Option(help="go on with further rounds while this lasts, per case")] = 10.0,
    threads: Threads = 0,
    device: str = "cpu",
    json: Json = None,
) -> None:
    """Compare the published algorithm with ours in one process, turn by turn."""
    facts = begin(threads, device)
    found: dict[str, Any] = {"machine": facts, "inference": [], "training": [], "memory": []}

    def add(part: str, measured: list[Row]) -> None:
        found[part] += measured
        if json is not None:  # at once, so that an interruption costs the present case only
            machine.write_json(json, found)

    if peak:
        add("memory", measure_memory([size for size in parse_sizes(sizes) if size.resolution >= LARGE]))
    for size in parse_sizes(sizes):
        generator = make_generator(size, device)
        for batch in (int(number) for number in batches.split(",")):
            say(f"inference, {size}, batch {batch} …")
            add("inference", measure_inference(generator, size, batch, compiled, rounds, seconds, device))
    for size in parse_sizes(training):
        say(f"forward + backward, {size}, batch {training_batch} …")
        add("training", measure_training(make_generator(size, device), size, training_batch, rounds, seconds, device))
    show(found)
    if json is not None:
        say(f"wrote {json}")


@torch.no_grad()
def measure_inference(
    generator: Generator, size: Size, batch: int, compiled: bool, rounds: int, seconds: float, device: str = "cpu"
) -> list[Row]:
    """One row per contestant: times, ratios to the published algorithm, distance to the reference."""
    s = make_styles(generator, batch)
    draws = contestants(generator, compiled)
    against, expected = reference(generator, s)
    errors = {name: error_of(draw(s), expected) for name, draw in draws.items()}
    times = take_turns({name: _call(draw, s) for name, draw in draws.items()}, rounds, seconds, device)
    return rows(size, batch, times, errors, against)


def measure_training(generator: Generator, size: Size, batch: int, rounds: int, seconds: float, device: str = "cpu") -> list[Row]:
    """The same for one gradient of every parameter of the synthesis and of s; errors are those of all gradients together."""
    generator.synthesis.requires_grad_(True)
    s = make_styles(generator, batch)
    steps = {name: _step(generator, draw, s) for name, draw in contestants(generator).items() if name in TRAINED}
    gradients = {name: torch.cat([gradient.flatten() for gradient in step()]) for name, step in steps.items()}
    errors = {name: error_of(gradient, gradients[PUBLISHED]) for name, gradient in gradients.items()}
    return rows(size, batch, take_turns(steps, rounds, seconds, device), errors, PUBLISHED)


def measure_memory(sizes: list[Size]) -> list[Row]:
    """Peak of inference at batch 1, for those who can draw, each in a fresh process."""
    names = [PUBLISHED, EXACT, *([FAST] if has_precision(Generator(4, 1, 1, 4, 1, 1)) else [])]
    found = []
    for size in sizes:
        for name in names:
            say(f"memory, {size}, {name} …")
            found.append({**asdict(size), "batch": 1, "contestant": name, **memory.measure(size, 1, name, torch.get_num_threads())})
    return found


def rows(size: Size, batch: int, times: dict[str, Timing], errors: dict[str, Error], against: str) -> list[Row]:
    theirs = times[PUBLISHED]
    return [
        {
            **asdict(size),
            "batch": batch,
            "contestant": name,
            "median_ms": round(time.median * 1e3, 3),
            "minimum_ms": round(time.minimum * 1e3, 3),
            "spread": round(time.spread, 4),
            "rounds": len(time.seconds),
            "times_faster": round(time.faster_than(theirs), 3),
            "times_faster_at_best": round(theirs.minimum / time.minimum, 3),
            "relative_error": errors[name].relative,
            "largest_error": errors[name].largest,
            "reference": against,
        }
        for name, time in times.items()
    ]


def show(found: dict[str, Any]) -> None:
    """Tables for people. spread: the middle half of the rounds, of their median; relative and largest: errors."""
    columns = ["px", "base", "batch", "", "median ms", "least ms", "spread %", "rounds", "× faster", "× at best", "relative", "largest"]
    for part, title in (("inference", "Inference"), ("training", "Forward + backward")):
        if found[part]:
            shown = [_shown(row) for row in found[part]]
            ends = [index for index, row in enumerate(shown[1:]) if row[:3] != shown[index][:3]]
            show_table(f"{title} on {machine.headline(found['machine'])}", columns, shown, ends)
    if found["memory"]:
        shown = [[row["resolution"], row["channel_base"], row["contestant"], row["before_mb"], row["peak_mb"]] for row in found["memory"]]
        show_table("Memory, batch 1", ["px", "base", "", "before, MB", "peak, MB"], shown)


def _shown(row: Row) -> list[object]:
    case = [row["resolution"], row["channel_base"], row["batch"], row["contestant"], row["median_ms"], row["minimum_ms"]]
    quality = [round(100 * row["spread"], 1), row["rounds"], row["times_faster"], row["times_faster_at_best"]]
    return [*case, *quality, f"{row['relative_error']:.1e}", f"{row['largest_error']:.1e}"]


def _call(draw: Draw, s: torch.Tensor):
    return lambda: draw(s)


def _step(generator: Generator, draw: Draw, s: torch.Tensor):
    parameters = [parameter for name, parameter in generator.synthesis.named_parameters() if ".affine." not in name]

    def step() -> list[torch.Tensor]:
        code = s.clone().requires_grad_()
        for parameter in parameters:
            parameter.grad = None
        draw(code).square().mean().backward()
        return [code.grad, *(parameter.grad for parameter in parameters)]

    return step


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
