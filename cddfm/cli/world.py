"""`cddfm world draw`: a look at the procedural world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

world = typer.Typer(help="The procedural world that everything is trained on.", no_args_is_help=True)


@world.callback()
def _group() -> None:
    """Keeps `draw` a subcommand while it is the only one."""


@world.command()
def draw(
    out: Annotated[Path, typer.Option("-o", "--out", help="The sheet: .png, .jpg or .webp.")] = Path("world.png"),
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=400, help="How many portraits.")] = 32,
    style: Annotated[str, typer.Option(help="A style of the world, e.g. portrait or toon; all for one row each.")] = "portrait",
    seed: Annotated[int, typer.Option(min=0, help="The first portrait; portrait k has seed + k.")] = 0,
    resolution: Annotated[int, typer.Option(min=16, max=1024, help="Pixels per side of one portrait.")] = 128,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Draw a contact sheet of portraits."""
    import torch

    from cddfm.config import nearest
    from cddfm.device import choose_device
    from cddfm.errors import UserError
    from cddfm.images import check_writable, write_picture
    from cddfm.report import progress_bar, say
    from cddfm.sheet import Cell, Row, draw_sheet
    from cddfm.world import STYLES, sample_codes, scene
    from cddfm.world import draw as draw_scene

    check_writable(out)
    styles = list(STYLES) if style == "all" else [style]
    if not set(styles) <= set(STYLES):
        raise UserError(f"there is no style {style!r}: {nearest(style, [*STYLES, 'all'])}")
    place, batch = choose_device(device), 16
    rows = []
    with progress_bar("drawing", total=count * len(styles)) as advance, torch.no_grad():
        for number, name in enumerate(styles):
            cells: list[Cell] = []
            for first in range(seed, seed + count, batch):
                codes = sample_codes(range(first, min(first + batch, seed + count))).to(place)
                cells += [Cell(image) for image in draw_scene(scene(codes), resolution, name).image]
                advance(number * count + len(cells), {})
            rows.append(Row(cells, name))
    write_picture(out, draw_sheet(rows, note=f"seeds {seed} to {seed + count - 1}", cell=max(resolution, 128), per_line=8))
    say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    app.add_typer(world, name="world")
