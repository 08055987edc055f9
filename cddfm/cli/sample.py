"""`cddfm sample`: random faces with given parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    out: Annotated[Path, typer.Option("-o", "--out", help="The sheet: .png, .jpg or .webp.")],
    number: Annotated[int, typer.Option("-n", min=1, max=400, help="How many faces.")] = 12,
    pose: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Degrees: yaw, pitch, roll.")] = [],
    expression: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="0 to 1: smile, jawOpen, ...")] = [],
    light: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="azimuth, elevation, intensity.")] = [],
    shape: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Standard deviations.")] = [],
    albedo: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Standard deviations.")] = [],
    seed: Annotated[int, typer.Option(min=0, help="The first face; the others follow it.")] = 0,
    domain: Annotated[str, typer.Option(help="Which generator draws: portrait, toon, ...")] = "portrait",
    method: Annotated[str, typer.Option(help="cddfm, stylerig, linear, base, or a variant such as stylerig-no-edit.")] = "cddfm",
    stack: Annotated[Path | None, typer.Option(help="Folder of networks; the embedded ones when left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Draw random faces that all have these values (values, not changes as in `cddfm edit`), and differ in all else."""
    from cddfm.controls import Changes, Controls
    from cddfm.device import choose_device
    from cddfm.edit import check_domain
    from cddfm.images import check_writable, write_picture
    from cddfm.methods import method_network
    from cddfm.report import say
    from cddfm.sample import check_absolute, draw, sample_styles
    from cddfm.sheet import Cell, Row, draw_sheet
    from cddfm.stack import Stack

    check_writable(out)
    networks = Stack(stack, choose_device(device))
    controls = Controls(networks.model)
    given = {"pose": pose, "expression": expression, "light": light, "shape": shape, "albedo": albedo}
    values = check_absolute(sum((controls.parse(",".join(texts), group) for group, texts in given.items()), Changes()))
    generator = networks.domain(check_domain(networks, domain))
    seeds = range(seed, seed + number)
    pictures = draw(generator, sample_styles(networks, method_network(networks, method), seeds, values))
    cells = [Cell(picture, f"seed {k}") for k, picture in zip(seeds, pictures, strict=True)]
    title = ", ".join(f"{control.name} {value:g}{control.unit}" for control, value in values.items)
    write_picture(out, draw_sheet([Row(cells)], title=title, per_line=min(number, 6)))
    say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    app.command("sample")(sample)
