"""The demonstration: one real photograph through the whole chain, on one sheet."""

from __future__ import annotations

from PIL import Image
from skimage import data

from cddfm.align import paste
from cddfm.controls import Changes, Controls
from cddfm.edit import INVERSION_STEPS, Editor
from cddfm.images import to_tensor
from cddfm.report import progress_bar, say
from cddfm.sheet import Cell, Row, draw_sheet
from cddfm.stack import Stack

EDITS = (
    (("pitch", "pose", 12.0),),
    (("smile", "expression", 1.0),),
    (("jawOpen", "expression", 1.0),),
    (("azimuth", "light", 90.0),),
    (("yaw", "pose", 15.0), ("jawOpen", "expression", 1.0)),
)
IN_PLACE = (("yaw", "pose", 12.0), ("smile", "expression", 0.6))
"""What is shown on the whole photograph."""

YAWS = (-20.0, -10.0, 0.0, 10.0, 20.0)


def draw_demo(stack: Stack, steps: int = INVERSION_STEPS) -> Image.Image:
    """Eileen Collins (NASA, public domain; ships with scikit-image): aligned, inverted, edited, and the same in every other domain."""
    photo = Image.fromarray(data.astronaut())
    editor = Editor(stack)
    say("demo: aligning and inverting the photograph")
    with progress_bar("inverting", total=steps) as advance:
        face = editor.set_image(
            to_tensor(photo), "the astronaut", steps=steps, on_step=lambda step, loss: advance(step, {"loss": float(loss)})
        )
    yaws = [_changes(editor.controls, (("yaw", "pose", value),)) for value in YAWS]
    edits = [_changes(editor.controls, edit) for edit in EDITS]
    start = [Cell(photo, "photograph"), Cell(face.aligned.sharp, "aligned"), Cell(editor.inversion(), "inversion", marked=True)]
    in_place = _changes(editor.controls, IN_PLACE)
    start.append(Cell(paste(photo, face.aligned, editor.edit(in_place)), f"{in_place}, in its place"))
    rows = []
    for domain in stack.domains():
        rows.append(Row([_cell(editor, changes, domain) for changes in (*yaws, *edits)], domain, "turned, nodding, speaking, lit"))
        if domain != "portrait":
            start.append(Cell(editor.edit(Changes(), domain), domain, marked=True))
    return draw_sheet(
        [Row(start, "A photograph", "found, aligned, inverted"), *rows], "cddfm", "Photograph: Eileen Collins, NASA, public domain."
    )


def _changes(controls: Controls, wanted: tuple[tuple[str, str, float], ...]) -> Changes:
    return Changes(tuple((controls.find(name, group), value) for name, group, value in wanted))


def _cell(editor: Editor, changes: Changes, domain: str) -> Cell:
    return Cell(editor.edit(changes, domain), str(changes) if changes else "unchanged", marked=not changes)
