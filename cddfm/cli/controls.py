"""`cddfm controls`: what can be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def controls(
    group: Annotated[str | None, typer.Argument(help="pose, expression, light, shape or albedo; all when left out.")] = None,
    stack: Annotated[Path | None, typer.Option(help="Folder of networks; the embedded ones when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List every control with its range."""
    from cddfm.config import nearest
    from cddfm.controls import GROUPS, Controls
    from cddfm.errors import UserError
    from cddfm.report import show_json, show_table
    from cddfm.stack import Stack

    if group is not None and group not in GROUPS:
        raise UserError(f"there is no group of controls {group!r}: {nearest(group, GROUPS)}")
    listed = [control for control in Controls(Stack(stack).model) if group in (None, control.group)]
    if as_json:
        keys = ("group", "name", "unit", "low", "high", "neutral", "meaning")
        show_json([{key: getattr(control, key) for key in keys} for control in listed])
        return
    rows = [(c.group, c.name, f"{c.low:g} to {c.high:g} {c.unit}".rstrip(), c.meaning) for c in listed]
    breaks = [index for index, (one, two) in enumerate(zip(listed, listed[1:], strict=False)) if one.group != two.group]
    show_table("Controls; each changes the face from where it is", ("option", "name", "range", "meaning"), rows, breaks)


def register(app: typer.Typer) -> None:
    app.command("controls")(controls)
