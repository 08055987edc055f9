"""`cddfm morphable info` and `convert`: everybody's morphable models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cddfm.morphable import MorphableModel

morphable = typer.Typer(help="Morphable face models: BFM, FLAME, Surrey, ICT-FaceKit and cddfm's own.", no_args_is_help=True)

ModelFile = Annotated[Path, typer.Argument(metavar="FILE", help="A model's file, or ICT-FaceKit's folder; known by what it holds.")]


@morphable.command()
def info(
    file: ModelFile,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The contact sheet: .png, .jpg or .webp; the model's name + .png when left out.")
    ] = None,
    sheet: Annotated[bool, typer.Option("--sheet/--no-sheet", help="Draw the contact sheet.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was read, for programs.")] = False,
) -> None:
    """Say what a model holds, and draw its mean, its first components and its expressions."""
    from cddfm.images import check_writable, write_picture
    from cddfm.morphable import load
    from cddfm.morphable_sheet import draw_model
    from cddfm.report import say, show_json, show_table

    target = out or Path(f"{file.resolve().stem}.png")
    if sheet:
        check_writable(target)
    model = load(file)
    facts = describe(model)
    if as_json:
        show_json({**facts, "sheet": str(target) if sheet else None})
    else:
        shown = facts | {"landmarks": 68}
        rows = [row for name, value in shown.items() for row in _lines(name.replace("_", " "), value)]
        show_table(str(file), ("what", "value"), rows)
    if sheet:
        write_picture(target, draw_model(model))
        say(f"wrote {target}")


def _lines(name: str, value: object) -> list[tuple[str, object]]:
    """One row, or for a long list as many as it takes to stay narrow."""
    import textwrap

    if not isinstance(value, list):
        return [(name, value)]
    lines = textwrap.wrap(", ".join(map(str, value)), 100) or ["none"]
    return [(name if index == 0 else "", line) for index, line in enumerate(lines)]


def describe(model: MorphableModel) -> dict[str, object]:
    """What was read, as JSON values."""
    eyes = model.mean[model.landmarks[[36, 45]]]
    low, high = model.mean.amin(dim=0), model.mean.amax(dim=0)
    return {
        "name": model.name,
        "kind": model.source or "cddfm",
        "vertices": len(model.mean),
        "triangles": len(model.triangles),
        "identity_components": len(model.identity_names),
        "expression_components": len(model.expression_names),
        "albedo_components": len(model.albedo_names),
        "skin_vertices": int(model.skin.sum()),
        "size_cm": [round(float(value), 2) for value in high - low],
        "outer_eye_corners_cm": round(float((eyes[0] - eyes[1]).norm()), 2),
        "joints": list(model.joint_names),
        "expressions": list(model.expression_names),
        "expressions_solved_for": list(model.direction_names),
        "landmarks": model.landmarks.tolist(),
    }


@morphable.command()
def convert(
    file: ModelFile,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.")],
    identity: Annotated[int | None, typer.Option(min=1, help="Keep this many identity components.")] = None,
    expression: Annotated[int | None, typer.Option(min=1, help="Keep this many expression components.")] = None,
    albedo: Annotated[int | None, typer.Option(min=1, help="Keep this many albedo components.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store the bases as 16-bit numbers.")] = False,
) -> None:
    """Write a model as one safetensors file that loads at once and holds all that was found for it."""
    from cddfm.errors import UserError
    from cddfm.morphable import load, save_model
    from cddfm.report import say

    if out.suffix.lower() != ".safetensors":
        raise UserError(f"{out} has not the ending .safetensors; name the output such as -o model.safetensors")
    if out.exists() and file.exists() and out.samefile(file):
        raise UserError(f"the output {out} is the model itself; name another file")
    model = load(file).truncated(identity, expression, albedo)
    save_model(out, model, half)
    say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    app.add_typer(morphable, name="morphable")
