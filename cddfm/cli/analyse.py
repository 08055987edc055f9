"""`cddfm analyse`: what a method does to style layers, how parameters are distributed, and how near domains are to the world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cddfm.stack import Stack

ANALYSES = {"layers": 2_500, "parameters": 20_000, "domains": 2_000}
"""What can be analysed, and on how many edits, faces or scenes unless told; the first two as published with StyleRig."""


def analyse(
    what: Annotated[str, typer.Argument(help="layers (what edits move), parameters (their distribution), domains (how near the world).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the plot (PNG) and its numbers (JSON).")],
    method: Annotated[str, typer.Option(help="cddfm, stylerig, linear, base, or a variant such as stylerig-no-edit.")] = "stylerig",
    number: Annotated[int | None, typer.Option("-n", min=2, max=1_000_000, help="Edits of each attribute, faces, or scenes.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    stack: Annotated[Path | None, typer.Option(help="Folder of networks; the embedded ones when left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Mean and variance of each style layer's change under random edits; every parameter's distribution over random faces; or how far each
    domain's pictures are from the world's of the same held-out scenes, whatever the method and the seed."""
    from cddfm.analysis import layer_changes, parameter_distributions
    from cddfm.config import nearest
    from cddfm.device import choose_device
    from cddfm.errors import UserError
    from cddfm.images import check_folder_writable
    from cddfm.methods import method_network
    from cddfm.plots import plot_distributions, plot_layers
    from cddfm.stack import Stack

    if what not in ANALYSES:
        raise UserError(f"there is no analysis {what!r}: {nearest(what, list(ANALYSES))}")
    check_folder_writable(out)
    networks = Stack(stack, choose_device(device))
    count = number or ANALYSES[what]
    if what == "domains":
        _analyse_domains(networks, count, out)
        return
    network = method_network(networks, method)
    facts: dict[str, object] = {"method": method, "seed": seed, "number": count}
    if what == "layers":
        changes = layer_changes(network, networks.generator, count, seed)
        facts["changes"] = [vars(change) for change in changes]
        picture = plot_layers(changes, f"How far an edit moves each style layer: {method}, {count:,} edits per attribute")
    else:
        found = parameter_distributions(network, networks.generator, networks.model, count, seed)
        facts["groups"] = {distribution.group: distribution.record() for distribution in found}
        picture = plot_distributions(found, f"Face parameters of {count:,} random faces, as read by {method}")
    _write(out / f"{what}-{method}", facts, picture)


def _analyse_domains(stack: Stack, scenes: int, out: Path) -> None:
    from io import BytesIO

    from cddfm.evaluation.same_scenes import SIGHTS, measure_nearness
    from cddfm.report import show_table
    from cddfm.sheet import draw_sheet

    found, rows = measure_nearness(stack, scenes, out / "evaluation-world")
    title = f"Fréchet distance from the world's pictures of the same {scenes:,} scenes, and between the means"
    table: dict[tuple[str, str], list[object]] = {}
    for near in found:
        table.setdefault((near.domain, near.kind), [near.domain, near.kind]).extend([near.distance, near.of_means])
    columns = [column for sight in SIGHTS for column in (f"by the {sight}", "of means")]
    show_table(title, ["domain", "codes", *columns], list(table.values()))
    picture = BytesIO()
    draw_sheet(rows, "The same scenes").save(picture, "PNG")
    _write(out / "domains", {"number": scenes, "domains": [near.record() for near in found]}, picture.getvalue())


def _write(stem: Path, facts: dict[str, object], picture: bytes) -> None:
    import json

    from cddfm.report import say
    from stylespace.weights import write_atomically

    files = {f"{stem}.json": json.dumps(facts, indent=1).encode(), f"{stem}.png": picture}
    for name, data in files.items():
        write_atomically(Path(name), data)
    say(f"wrote {' and '.join(files)}")


def register(app: typer.Typer) -> None:
    app.command("analyse")(analyse)
