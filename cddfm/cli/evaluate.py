"""`cddfm evaluate` and `cddfm demo`: how well it works, in numbers and at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cddfm.stack import Stack

StackFolder = Annotated[Path | None, typer.Option("--stack", help="Folder of networks; the embedded ones when left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def evaluate(
    methods: Annotated[
        str | None,
        typer.Option(help="Methods to compare, joined by commas, such as stylerig,linear,cddfm; all that the stack has when left out."),
    ] = None,
    domains: Annotated[
        str | None, typer.Option(help="Domains to judge in, joined by commas; portrait and toon, if the stack has them, when left out.")
    ] = None,
    faces: Annotated[int, typer.Option(min=4, max=100_000, help="How many generated faces.")] = 500,
    seed: Annotated[int | None, typer.Option(min=0, help="The first face; the held-out seeds when left out.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for evaluation.json, .md and .png; the stack's when left out.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Optimisation steps by which each of the world's portraits is embedded.")] = None,
    world: Annotated[
        bool,
        typer.Option("--world/--no-world", help="Whether the world draws true answers, and sets for the Fréchet distance (minutes, once)."),
    ] = True,
    distance_images: Annotated[
        int,
        typer.Option(
            min=0, max=1_000_000, help="Pictures in each set that the Fréchet distance is between (minutes, once); 0 leaves it out."
        ),
    ] = 1000,
    every: Annotated[bool, typer.Option("--every", help="Print a row for each expression instead of one for all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report for programs.")] = False,
    stack: StackFolder = None,
    device: Device = "auto",
) -> None:
    """Measure what edits reach and what else they change: every method in every domain, by networks that trained nothing.

    The world also draws the true answers; its pictures are kept in the output folder (in runs/ when there is none) and drawn once;
    a run that was interrupted goes on from them."""
    from cddfm.data import HELD_OUT_SEED
    from cddfm.device import choose_device
    from cddfm.edit import check_domain
    from cddfm.errors import UserError
    from cddfm.evaluation.document import document, write_document
    from cddfm.evaluation.picture import draw_evaluation
    from cddfm.evaluation.run import TRUTH_STEPS, Request
    from cddfm.evaluation.run import evaluate as measure
    from cddfm.evaluation.tables import show_evaluation, write_tables
    from cddfm.images import check_writable, write_picture
    from cddfm.report import say, show_json
    from cddfm.stack import Stack

    if distance_images == 1:
        raise UserError("--distance-images 1 has no covariance; give 2 or more (1000 is usual), or 0 to leave the distance out")
    networks = Stack(stack, choose_device(device))
    folder = out or networks.folder
    check_writable(folder / "evaluation.png")
    valid = networks.domains()
    chosen = [check_domain(networks, name) for name in _names(domains)] or [name for name in JUDGED_DOMAINS if name in valid]
    compared = _methods(networks, _names(methods))
    cache = (out or Path("runs")) / "evaluation-world"
    first = HELD_OUT_SEED if seed is None else seed
    descent = (TRUTH_STEPS if steps is None else steps) if world else None
    images = distance_images if world else 0
    request = Request(tuple(compared), tuple(chosen), faces, first, cache, descent, scale=world, distance_images=images)
    found = measure(networks, compared, request)
    write_document(folder / "evaluation.json", networks, compared, found)
    write_tables(folder / "evaluation.md", found)
    write_picture(folder / "evaluation.png", draw_evaluation(networks, compared, found))
    if as_json:
        show_json(document(networks, compared, found))
    else:
        show_evaluation(found, every)
    say(f"wrote evaluation.json, evaluation.md and evaluation.png in {folder}")


JUDGED_DOMAINS = ("portrait", "toon")


def _names(text: str | None) -> list[str]:
    """Each name once, in the order given."""
    return list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _methods(stack: Stack, names: list[str]) -> dict[str, Any]:
    """The networks of these methods; of all that the stack has where none is named."""
    from cddfm.errors import UserError
    from cddfm.methods import METHODS, method_network
    from cddfm.report import say
    from stylespace.weights import WeightsError

    if names:
        return {name: method_network(stack, name) for name in names}
    found = {}
    for name in reversed(METHODS):
        try:
            found[name] = method_network(stack, name)
        except WeightsError as error:
            say(f"without {name}: {error}")
    if not found:
        raise UserError(f"the stack {stack.folder} has no method of editing; train one, or give another --stack")
    return found


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="The sheet: .png, .jpg or .webp.")] = Path("demo.png"),
    steps: Annotated[int | None, typer.Option(min=0, help="Optimisation steps: of the code, then of the generator.")] = None,
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
