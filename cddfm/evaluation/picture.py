"""evaluation.png: a few of the judged faces with the same edits by every method in every domain, and the world's own answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image

from cddfm.controls import Changes, Controls
from cddfm.edit import generated_styles
from cddfm.evaluation.run import Evaluation, ours_of
from cddfm.evaluation.truth import INVERSION, UNEDITED
from cddfm.methods import Method
from cddfm.sheet import Cell, Row, draw_sheet
from cddfm.stack import Stack

FACES = 2
EDITS = (("yaw", -30.0), ("yaw", 30.0), ("pitch", 15.0), ("smile", 1.0), ("jawOpen", 1.0), ("browInnerUp", 1.0), ("azimuth", 60.0))
COLOURS = 256
"""Of a palette: a third of the bytes, since a stack carries this picture along."""

CELL = 160


@torch.no_grad()
def draw_evaluation(stack: Stack, methods: Mapping[str, Method], found: Evaluation) -> Image.Image:
    """Rows: method, face and domain; then one of the world's people. Columns: edits."""
    seed = found.request.seed
    s = generated_styles(stack, list(range(seed, seed + FACES)))
    params = methods[ours_of(found.request.methods)].predict(s)
    controls = Controls(stack.model)
    known = [(name, value) for name, value in EDITS if any(name in table for table in controls.tables.values())]
    edits = [Changes()] + [Changes(((controls.find(name), value),)) for name, value in known]
    rows = []
    for domain in found.request.domains:
        generator = stack.domain(domain)
        images = {m: [generator.synthesise(network.edit(s, edit.deltas(params))) for edit in edits] for m, network in methods.items()}
        for k in range(FACES):
            for method, made in images.items():
                cells = [
                    Cell(image[k], str(edit) if edit else "as generated", marked=not edit) for edit, image in zip(edits, made, strict=True)
                ]
                rows.append(Row(cells, f"{domain}, {method}", f"seed {seed + k}"))
    rows += true_rows(found, found.request.methods)
    sheet = draw_sheet(rows, "Edits of generated faces, and of the world's people beside the true answer", cell=CELL)
    return sheet.quantize(COLOURS)


def true_rows(found: Evaluation, methods: Sequence[str]) -> list[Row]:
    """Per domain: the world's own pictures of one person with the edited parameters, and every method's edits of the inversion."""
    rows = []
    for domain in dict.fromkeys(example.domain for example in found.examples):
        for method in ("world", *methods):
            shown = ("world",) if method == "world" else (INVERSION, method)
            own = [example for example in found.examples if example.domain == domain and example.method in shown]
            cells = [Cell(e.image, e.method if e.method == INVERSION else e.edit, marked=e.edit == UNEDITED) for e in own]
            rows.append(Row(cells, f"{domain}, {'the true answer' if method == 'world' else method}", "one of the world's people"))
    return rows
