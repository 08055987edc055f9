"""What the CUDA kernels are worth on the GPU at hand: `python -m benchmarks.cuda --json numbers.json`.

First correctness, then speed. Kernels: each against its torch definition, then the bytes it must move over its time, beside the bandwidth
of a plain copy on the same machine. Pictures: the published algorithm (benchmarks/published.py), our generator as it is, and the
arrangement of benchmarks/cuda_synthesis.py, launched one kernel at a time and as one CUDA graph.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from benchmarks import machine, published
from benchmarks.contestants import Size, error_of, make_generator, make_styles, parse_sizes
from benchmarks.cuda_synthesis import FusedSynthesis
from benchmarks.options import Json
from cddfm.report import fail, say, show_table
from cuda_ops import bias_act, epilogue, native, to_rgb, upfirdn2d
from stylespace.generator import Generator

DEVICE = "cuda"

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

LARGEST_ERROR = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.5e-2}
"""Relative to the largest value: one rounding, with room for another order of summation."""

BEYOND_CACHE = 256 << 20
"""Bytes that calls in a row go through, so that none finds its input in the second cache (50 MB on an H200)."""

PICTURES = ((1024, 32), (512, 64), (256, 128), (64, 512))
"""Resolution and channels of the kernels' inputs: blocks of the 1024 generator."""

Call = Callable[[], object]
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One kernel on one input. native and torch: the same call, compiled and defined; bytes: read and written, at least."""

    name: str
    size: tuple[int, ...]
    native: Callable[[Tensor], Tensor]
    torch: Callable[[Tensor], Tensor]
    bytes: int


def main(
    sizes: Annotated[str, typer.Option(help="resolution:channel base, …")] = "256:16384,1024:32768",
    batches: Annotated[str, typer.Option(help="batch sizes")] = "1,8,32",
    types: Annotated[str, typer.Option(help="float32, float16, bfloat16")] = "float16,bfloat16",
    rounds: int = 20,
    json: Json = None,
) -> None:
    """Check, then measure."""
    if not torch.cuda.is_available():
        fail("there is no CUDA device; run this where there is one")
        raise typer.Exit(2)
    outcome = native.attempt(DEVICE, retry=True)
    if not outcome.loaded:
        fail(f"the CUDA operators could not be built: {outcome.reason}")
        raise typer.Exit(2)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32
    facts = machine.describe(DEVICE)
    bandwidth = copy_bandwidth(rounds)
    say(f"{machine.headline(facts)}; a copy moves {bandwidth / 1e9:.0f} GB/s")
    found: dict[str, Any] = {"machine": facts, "copy_gb_per_s": bandwidth / 1e9, "kernels": [], "pictures": []}
    for dtype in (TYPES[name] for name in types.split(",")):
        for resolution, channels in PICTURES:
            found["kernels"] += measure_kernels(torch.ops.cuda_ops_cuda, resolution, channels, dtype, bandwidth, rounds)
    show_kernels(found)
    for size in parse_sizes(sizes):
        generator = make_generator(size, DEVICE)
        for batch in (int(number) for number in batches.split(",")):
            say(f"pictures, {size}, batch {batch} …")
            found["pictures"] += measure_pictures(generator, size, batch, [TYPES[name] for name in types.split(",")], rounds)
    show_pictures(found)
    if json is not None:
        machine.write_json(json, found)
        say(f"wrote {json}")


def copy_bandwidth(rounds: int) -> float:
    """Bytes per second, read and written, of a copy of 1 GiB."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    return 2 * source.numel() / seconds_of(lambda: target.copy_(source), rounds)


def jobs(operators: Any, resolution: int, channels: int, dtype: torch.dtype, device: str) -> list[Job]:
    """What blocks of the generator and the discriminator do with pictures of this size."""
    random = torch.Generator().manual_seed(0)

    def make(*size: int) -> Tensor:
        return torch.randn(size, generator=random).to(device)

    numbers, each, pixels = resolution**2 * channels, torch.finfo(dtype).bits // 8, resolution**2
    bias, factor, style, noise = make(channels), make(1, channels), make(1, channels), make(1, 1, resolution, resolution)
    weight, image = make(3, channels, 1, 1), make(1, 3, resolution // 2, resolution // 2)
    fir, how, after = upfirdn2d.fir_filter(device=torch.device(device)), (0.2, 2**0.5, 256.0), (factor, noise, bias)
    work = {
        "bias_act": (bias_act, (bias, *how), 2 * numbers * each),
        "epilogue": (epilogue, (*after, False, *how), 2 * numbers * each + 4 * pixels),
        "epilogue with FIR": (epilogue, (*after, True, *how), 2 * numbers * each + 4 * pixels),
        "blur": (upfirdn2d, (fir, 1, 1, (2, 1, 2, 1), False, 1.0), 2 * numbers * each),
        "up 2": (upfirdn2d, (fir, 2, 1, (2, 1, 2, 1), False, 4.0), 5 * numbers * each),
        "down 2": (upfirdn2d, (fir, 1, 2, (1, 1, 1, 1), False, 1.0), 5 * numbers * each // 4),
        "to_rgb": (to_rgb, (weight, style, bias[:3], image, 256.0), numbers * each + 15 * pixels),
    }
    return [
        Job(
            name,
            (1, channels, resolution + (name == "epilogue with FIR"), resolution + (name == "epilogue with FIR")),
            partial(_call, getattr(operators, module.__name__.split(".")[-1]), rest),
            partial(_call, module.reference, rest),
            moved,
        )
        for name, (module, rest, moved) in work.items()
    ]


def _call(function: Callable[..., Tensor], rest: tuple[object, ...], x: Tensor) -> Tensor:
    return function(x, *rest)


def measure_kernels(
    operators: Any, resolution: int, channels: int, dtype: torch.dtype, bandwidth: float, rounds: int, device: str = DEVICE
) -> list[Row]:
    """Raises AssertionError where a kernel is wrong: times of wrong kernels mean nothing."""
    rows = []
    for job in jobs(operators, resolution, channels, dtype, device):
        count = max(1, BEYOND_CACHE // job.bytes)
        inputs = [torch.randn(job.size, device=device).to(dtype).contiguous(memory_format=torch.channels_last) for _ in range(count)]
        result, expected = job.native(inputs[0]), job.torch(inputs[0].float())
        error = float((result.float() - expected).abs().max() / expected.abs().max())
        assert error <= LARGEST_ERROR[dtype], f"{job.name} at {resolution}² × {channels} in {dtype} is off by {error:.1e}"
        seconds = seconds_of(captured(partial(_each, job.native, inputs)), rounds) / count
        rows.append(
            {
                "kernel": job.name,
                "resolution": resolution,
                "channels": channels,
                "type": str(dtype).removeprefix("torch."),
                "error": error,
                "microseconds": seconds * 1e6,
                "gb_per_s": job.bytes / seconds / 1e9,
                "share_of_copy": job.bytes / seconds / bandwidth,
            }
        )
    return rows


def _each(function: Callable[[Tensor], Tensor], inputs: list[Tensor]) -> list[Tensor]:
    return [function(x) for x in inputs]


@torch.no_grad()
def measure_pictures(generator: Generator, size: Size, batch: int, types: list[torch.dtype], rounds: int) -> list[Row]:
    """One row per contestant; times_faster: than the published algorithm in the same type; error: to it in float32."""
    s = make_styles(generator, batch)
    expected = published.synthesise(generator, s)
    rows = []
    for dtype in types:
        fused = FusedSynthesis(generator, dtype, torch.ops.cuda_ops_cuda)
        draws: dict[str, Call] = {
            "published": lambda dtype=dtype: published.synthesise(generator, s, dtype),
            "published, not fused": lambda dtype=dtype: published.synthesise(generator, s, dtype, per_sample=False),
            "fused": lambda fused=fused: fused(s),
            "generator, float32": lambda: generator.synthesise(s),
        }
        errors = {name: error_of(draw(), expected) for name, draw in draws.items()}
        draws["fused, graph"], errors["fused, graph"] = captured(draws["fused"]), errors["fused"]
        times = {name: seconds_of(draw, rounds) for name, draw in draws.items()}
        for name, seconds in times.items():
            rows.append(
                {
                    **asdict(size),
                    "batch": batch,
                    "type": str(dtype).removeprefix("torch."),
                    "contestant": name,
                    "milliseconds": seconds * 1e3,
                    "pictures_per_s": batch / seconds,
                    "times_faster": times["published"] / seconds,
                    "relative_error": errors[name].relative,
                }
            )
    return rows


def seconds_of(call: Call, rounds: int) -> float:
    """Median over rounds, by the GPU's own clock."""
    for _ in range(3):
        call()
    pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(rounds)]
    for before, after in pairs:
        before.record()
        call()
        after.record()
    torch.cuda.synchronize()
    return statistics.median(before.elapsed_time(after) for before, after in pairs) / 1e3


def captured(call: Call) -> Call:
    """The same as one CUDA graph: what the kernels take, without what it takes to launch them."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = call()

    def replay() -> object:
        graph.replay()
        return kept

    return replay


def show_kernels(found: dict[str, Any]) -> None:
    columns = ["kernel", "px", "channels", "type", "error", "µs", "GB/s", "% of copy"]
    show_table(f"Kernels on {machine.headline(found['machine'])}", columns, [_shown(row) for row in found["kernels"]])


def show_pictures(found: dict[str, Any]) -> None:
    columns = ["px", "base", "batch", "type", "", "ms", "pictures/s", "× published", "error"]
    show_table("Pictures", columns, [_shown(row) for row in found["pictures"]])


def _shown(row: Row) -> list[object]:
    def cell(name: str, value: object) -> object:
        if not isinstance(value, float):
            return value
        return f"{value:.1e}" if "error" in name else round(100 * value) if name == "share_of_copy" else round(value, 2)

    return [cell(name, value) for name, value in row.items()]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
