"""`cddfm world draw` and `cddfm world export`: looks at the procedural world, and datasets of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cddfm.styles import STYLES

world = typer.Typer(help="The procedural world that everything is trained on.", no_args_is_help=True)

Resolution = Annotated[int, typer.Option(min=16, max=1024, help="Pixels per side of one portrait.")]
Seed = Annotated[int, typer.Option(min=0, help="The first portrait; portrait k has seed + k.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Style = Annotated[str, typer.Option(help=f"Styles of the world: {', '.join(STYLES)}; several with commas, or all.")]


def _styles(wanted: str) -> tuple[str, ...]:
    from cddfm.config import nearest
    from cddfm.errors import UserError

    names = STYLES if wanted == "all" else tuple(dict.fromkeys(name.strip() for name in wanted.split(",")))
    for name in names:
        if name not in STYLES:
            raise UserError(f"there is no style {name!r}: {nearest(name, [*STYLES, 'all'])}")
    return names


@world.command()
def draw(
    out: Annotated[Path, typer.Option("-o", "--out", help="The sheet: .png, .jpg or .webp.")] = Path("world.png"),
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=400, help="How many portraits.")] = 32,
    style: Style = "portrait",
    seed: Seed = 0,
    resolution: Resolution = 128,
    grid: Annotated[bool, typer.Option("--grid", help="Bare pictures edge to edge, about as many rows as columns.")] = False,
    device: Device = "auto",
) -> None:
    """Draw a contact sheet of portraits."""
    import math

    import torch

    from cddfm.device import choose_device
    from cddfm.images import check_writable, write_picture
    from cddfm.report import progress_bar, say
    from cddfm.sheet import Cell, Row, draw_sheet
    from cddfm.world import draw as draw_scene
    from cddfm.world import sample_codes, scene

    check_writable(out)
    styles, place, batch = _styles(style), choose_device(device), 16
    pictures: dict[str, list[torch.Tensor]] = {name: [] for name in styles}
    with progress_bar("drawing", total=count * len(styles)) as advance, torch.no_grad():
        for number, name in enumerate(styles):
            for first in range(seed, seed + count, batch):
                codes = sample_codes(range(first, min(first + batch, seed + count))).to(place)
                pictures[name] += draw_scene(scene(codes), resolution, name).image.cpu()
                advance(number * count + len(pictures[name]), {})
    if grid:
        write_picture(
            out, _edge_to_edge([picture for name in styles for picture in pictures[name]], math.ceil(math.sqrt(count * len(styles))))
        )
    else:
        rows = [Row([Cell(picture) for picture in pictures[name]], name) for name in styles]
        write_picture(out, draw_sheet(rows, note=f"seeds {seed} to {seed + count - 1}", cell=max(resolution, 128), per_line=8))
    say(f"wrote {out}")


def _edge_to_edge(pictures, columns: int):  # noqa: ANN001, ANN202 (torch and pillow are imported late)
    """One picture of all, white where the last row ends early."""
    import torch

    from cddfm.images import to_picture

    size = pictures[0].shape[-1]
    canvas = torch.ones(1, 3, -(-len(pictures) // columns) * size, columns * size)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        canvas[0, :, row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
    return to_picture(canvas)


@world.command()
def export(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder of the dataset.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many portraits of each style.")] = 1000,
    style: Style = "portrait",
    seed: Seed = 0,
    resolution: Resolution = 128,
    shard: Annotated[int, typer.Option(min=1, max=100_000, help="Portraits in one tar file.")] = 500,
    device: Device = "auto",
) -> None:
    """Write portraits with exact parameters, masks and landmarks as tar shards. Interrupted? The same command goes on."""
    from cddfm.device import choose_device
    from cddfm.report import progress_bar, say
    from cddfm.world.export import Order
    from cddfm.world.export import export as write

    order = Order(count, resolution, _styles(style), seed, shard)
    total = count * len(order.styles)
    with progress_bar("exporting", total=total) as advance:
        already = write(order, out, choose_device(device), lambda finished: advance(finished, {}))
    say(f"{out} holds {total:,} portraits" + (f"; {already:,} of them were there" if already else ""))


def register(app: typer.Typer) -> None:
    app.add_typer(world, name="world")
