"""Speed of the rasteriser on a large mesh, beside its plain torch form and pytorch3d if installed: `python -m benchmarks.rasterizer`.

Forward is everything from vertices to face, barycentrics and depth; backward is the gradient of both by the vertices, alone. The goals are
10 ms and 5 ms for 70,000 triangles at 224 pixels, and a batch of 8 at no more per picture than a single one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any

import torch
import typer
from jaxtyping import Float, Int
from torch import Tensor

from benchmarks import machine
from benchmarks.options import Json, Threads, begin
from benchmarks.timing import take_turns
from cddfm.camera import Camera, place
from cddfm.report import say, show_table
from cuda_ops import native
from cuda_ops.rasterize import OURS, PYTORCH3D, Fragments, rasterize
from cuda_ops.rasterize_pytorch3d import available

GOALS = {"forward_ms": 10.0, "backward_ms": 5.0, "batch_ratio": 1.1}
"""For one picture of 70,000 triangles at 224 pixels; batch_ratio: time per picture in a batch of 8 over that of a single one."""

PLAIN = "torch"
"""Our contestant without its compiled operators."""


def main(
    triangles: int = 70_000,
    resolution: int = 224,
    batches: Annotated[str, typer.Option(help="batch sizes; the first is what the others are compared with")] = "1,8",
    rounds: int = 10,
    seconds: Annotated[float, typer.Option(help="go on with further rounds while this lasts, per case")] = 5.0,
    threads: Threads = 0,
    device: str = "cpu",
    json: Json = None,
) -> None:
    """Time every backend at every batch size, turn by turn in one process."""
    facts = begin(threads, device)
    mesh = ball(triangles)
    rows: list[dict[str, Any]] = []
    for batch in (int(size) for size in batches.split(",")):
        say(f"batch {batch} …")
        rows += measure(*mesh, batch, resolution, rounds, seconds, device)
    found = {"machine": facts, "triangles": len(mesh[1]), "resolution": resolution, "goals": GOALS, "rows": rows, "met": judge(rows)}
    show(found)
    if json is not None:
        machine.write_json(json, found)
        say(f"wrote {json}")


def ball(triangles: int) -> tuple[Float[Tensor, "vertices 3"], Int[Tensor, "triangles 3"]]:
    """A head-sized, slightly uneven ellipsoid of about so many triangles, wound outwards (cm)."""
    rows = max(3, round(math.sqrt(triangles / 4)) + 1)
    columns = max(3, round(triangles / 2 / (rows - 1)))
    down, around = torch.meshgrid(torch.linspace(0, math.pi, rows), torch.arange(columns) / columns * 2 * math.pi, indexing="ij")
    uneven = 1 + 0.02 * torch.sin(9 * around) * torch.sin(7 * down)
    points = torch.stack([7.5 * down.sin() * around.sin(), 11 * down.cos(), 9 * down.sin() * around.cos()], dim=-1) * uneven.unsqueeze(-1)
    row, column = torch.meshgrid(torch.arange(rows - 1), torch.arange(columns), indexing="ij")
    corner, beside = (row * columns + column).flatten(), (row * columns + (column + 1) % columns).flatten()
    faces = [torch.stack([corner, corner + columns, beside], -1), torch.stack([beside, corner + columns, beside + columns], -1)]
    return points.flatten(0, 1), torch.cat(faces)


def turned(points: Float[Tensor, "vertices 3"], batch: int) -> Float[Tensor, "batch vertices 3"]:
    """The mesh in different poses, projected."""
    angle = torch.linspace(-0.6, 0.6, batch + 2)[1:-1]
    pose = torch.stack([0.3 * angle, angle, 0.2 * angle], dim=1)
    return Camera().project(place(points.expand(batch, -1, -1), pose, torch.zeros(batch, 3), torch.zeros(3)))


def measure(
    points: Tensor, triangles: Tensor, batch: int, resolution: int, rounds: int, seconds: float, device: str = "cpu"
) -> list[dict[str, Any]]:
    """One row per contestant."""
    vertices, triangles = turned(points, batch).to(device), triangles.to(device)
    draws = contestants(resolution)
    calls: dict[str, Callable[[], object]] = {}
    shown = {}
    for name, draw in draws.items():
        leaf = vertices.clone().requires_grad_()
        fragments = draw(leaf, triangles)
        shown[name] = fragments
        calls[f"{name} forward"] = lambda draw=draw: draw(vertices, triangles)
        calls[f"{name} backward"] = _backward(leaf, fragments)
    times = take_turns(calls, rounds, seconds, device)
    reference = shown[OURS].face
    rows = []
    for name in draws:
        forward, backward = times[f"{name} forward"], times[f"{name} backward"]
        rows.append(
            {
                "backend": name,
                "batch": batch,
                "forward_ms": round(forward.median * 1e3, 3),
                "forward_least_ms": round(forward.minimum * 1e3, 3),
                "backward_ms": round(backward.median * 1e3, 3),
                "backward_least_ms": round(backward.minimum * 1e3, 3),
                "rounds": len(forward.seconds),
                "same_face": round(float((shown[name].face == reference)[reference >= 0].float().mean()), 6),
            }
        )
    return rows


def contestants(resolution: int) -> dict[str, Callable[[Tensor, Tensor], Fragments]]:
    """Ours as it runs here; ours in plain torch where that is something else; pytorch3d where it is installed."""
    found = {OURS: _draw(resolution, OURS, False)}
    if native.load("cpu"):
        found[PLAIN] = _draw(resolution, OURS, True)
    if available():
        found[PYTORCH3D] = _draw(resolution, PYTORCH3D, False)
    return found


def _draw(resolution: int, backend: str, plain: bool) -> Callable[[Tensor, Tensor], Fragments]:
    def draw(vertices: Tensor, triangles: Tensor) -> Fragments:
        with native.disabled() if plain else nullcontext():
            return rasterize(vertices, triangles, resolution, cull=True, backend=backend)

    return draw


def _backward(leaf: Tensor, fragments: Fragments) -> Callable[[], object]:
    outputs = (fragments.barycentric, fragments.depth)
    grads = tuple(torch.ones_like(output) for output in outputs)
    return lambda: torch.autograd.grad(outputs, leaf, grads, retain_graph=True)


def judge(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Which goals our own backend meets: those of time by its smallest batch, that of scaling by its largest."""
    ours = sorted((row for row in rows if row["backend"] == OURS), key=lambda row: row["batch"])
    first, last = ours[0], ours[-1]
    met = {name: first[name] / first["batch"] <= GOALS[name] for name in ("forward_ms", "backward_ms")}
    if last["batch"] > first["batch"]:
        each = [(row["forward_ms"] + row["backward_ms"]) / row["batch"] for row in (first, last)]
        met["batch_ratio"] = each[1] / each[0] <= GOALS["batch_ratio"]
    return met


def show(found: dict[str, Any]) -> None:
    names = ["backend", "batch", "forward_ms", "forward_least_ms", "backward_ms", "backward_least_ms", "rounds", "same_face"]
    columns = ["", "batch", "forward ms", "least", "backward ms", "least", "rounds", "same face"]
    title = f"{found['triangles']:,} triangles at {found['resolution']} px on {machine.headline(found['machine'])}"
    show_table(title, columns, [[row[name] for name in names] for row in found["rows"]])
    say("goals: " + ", ".join(f"{name.replace('_', ' ')} {'met' if met else 'missed'}" for name, met in found["met"].items()))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
