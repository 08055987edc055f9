"""`cddfm evaluate` and `cddfm demo`: how well it works, in numbers and at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StackFolder = Annotated[Path | None, typer.Option("--stack", help="Folder of networks; the embedded ones when left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def evaluate(
    stack: StackFolder = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for evaluation.json and evaluation.png; the stack's when left out.")
    ] = None,
    faces: Annotated[int, typer.Option(min=4, max=100_000, help="How many generated faces.")] = 200,
    values: Annotated[int, typer.Option(min=1, help="How many values of each sweep every face is edited with.")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="The first face; the held-out seeds when left out.")] = None,
    domain: Annotated[list[str], typer.Option(help="Judge this domain only; may be repeated.")] = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores for programs.")] = False,
    device: Device = "auto",
) -> None:
    """Measure gain, target error and leakage of every edit in every domain, by the judge and beside the StyleRig base."""
    from dataclasses import asdict

    from cddfm.data import HELD_OUT_SEED
    from cddfm.device import choose_device
    from cddfm.edit import check_domain
    from cddfm.evaluate import draw_examples, show_scores, write_report
    from cddfm.evaluate import evaluate as measure
    from cddfm.images import check_writable, write_picture
    from cddfm.report import say, show_json
    from cddfm.stack import Stack

    networks = Stack(stack, choose_device(device))
    folder = out or networks.folder
    check_writable(folder / "evaluation.png")
    domains = [check_domain(networks, name) for name in domain]
    first = HELD_OUT_SEED if seed is None else seed
    scores = measure(networks, faces, first, domains, values)
    write_report(folder / "evaluation.json", networks, scores, faces, first, values)
    write_picture(folder / "evaluation.png", draw_examples(networks, first, domains))
    if as_json:
        show_json([asdict(score) for score in scores])
    else:
        show_scores(scores, faces)
    say(f"wrote {folder / 'evaluation.json'} and {folder / 'evaluation.png'}")


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="The sheet: .png, .jpg or .webp.")] = Path("demo.png"),
    steps: Annotated[int | None, typer.Option(min=0, help="Optimisation steps of the inversion.")] = None,
    stack: StackFolder = None,
    device: Device = "auto",
) -> None:
    """Edit a real photograph (NASA's portrait of Eileen Collins) in every domain, and draw all of it on one sheet."""
    from cddfm.demo import draw_demo
    from cddfm.device import choose_device
    from cddfm.edit import INVERSION_STEPS
    from cddfm.images import check_writable, write_picture
    from cddfm.report import say
    from cddfm.stack import Stack

    check_writable(out)
    write_picture(out, draw_demo(Stack(stack, choose_device(device)), INVERSION_STEPS if steps is None else steps))
    say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)
    app.command("demo")(demo)
