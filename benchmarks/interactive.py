"""What replaying saves while a face is edited: `python -m benchmarks.interactive`.

At 1024 px: a slider of a style layer is moved, with and without what `stylespace.replay` kept. And the embedded editor: sliders of every
group, from one position to the next, of a generated face, and of a photograph, whose edits are composed (cddfm.compose) as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from PIL import Image
from skimage import data

from benchmarks import machine
from benchmarks.contestants import Size, make_generator, make_styles, parse_sizes
from benchmarks.options import Json, Threads, begin
from benchmarks.timing import take_turns
from cddfm.controls import Changes
from cddfm.edit import Editor, taught
from cddfm.images import to_tensor
from cddfm.methods import edit_styles
from cddfm.report import say, show_table
from cddfm.stack import Stack
from domains.registry import SOURCE
from stylespace.replay import Replay

Row = dict[str, Any]

FIRST = 64
"""Resolution from which edits of light and skin start, in the literature and in ours."""

SLIDERS = {"pose": "yaw={}", "expression": "jawOpen={}", "light": "azimuth={}", "albedo": "lipColour={}", "shape": "noseLength={}"}

POSITIONS = {
    "pose": (5, 10, 15),
    "expression": (0.1, 0.2, 0.3),
    "light": (10, 20, 30),
    "albedo": (0.02, 0.04, 0.06),
    "shape": (0.02, 0.04, 0.06),
}
"""Small ones: beyond the range that an editor was trained on, changes are limited, and then the slider would change nothing."""


def main(
    size: Annotated[str, typer.Option(help="resolution:channel base")] = "1024:32768",
    rounds: Annotated[int, typer.Option(help="edits per slider, at least")] = 5,
    seconds: Annotated[float, typer.Option(help="go on while this lasts, per slider")] = 10.0,
    threads: Threads = 0,
    stack: Annotated[Path | None, typer.Option(help="stack folder; the embedded one unless given")] = None,
    json: Json = None,
) -> None:
    """Milliseconds of an edit, with and without replay."""
    facts = begin(threads)
    layers = measure_layers(parse_sizes(size)[0], rounds, seconds)
    editor = Editor(Stack(stack))
    editor.set_seed(0)
    sliders = measure_sliders(editor, rounds, seconds)
    say("a photograph …")
    side = editor.set_image(to_tensor(Image.fromarray(data.astronaut())), "the astronaut").aligned.sharp.shape[-1]
    photograph = measure_sliders(editor, rounds, seconds)
    columns = ["edited", "drawn whole, ms", "edited, ms", "spread %", "× faster"]
    named = (f"First changed layer, {size}", layers), ("Sliders of a face", sliders), (f"Sliders of a photograph, {side} px", photograph)
    for title, part in named:
        table = [[row[key] for key in ("edited", "whole_ms", "replayed_ms")] + [100 * row["spread"], row["times_faster"]] for row in part]
        show_table(f"{title}, {machine.headline(facts)}", columns, table)
    if json is not None:
        machine.write_json(json, {"machine": facts, "layers": layers, "sliders": sliders, "photograph": photograph})
        say(f"wrote {json}")


@torch.no_grad()
def measure_layers(size: Size, rounds: int, seconds: float, first: int = FIRST) -> list[Row]:
    """One row for the first convolution of each resolution: this layer and all after it change at every edit."""
    generator = make_generator(size)
    replay, s = Replay(generator), make_styles(generator, 1)
    found = []
    for layer in generator.style_layout.layers:
        if layer.resolution < first or not layer.name.endswith("conv0"):
            continue
        say(f"{layer.name} …")
        edits = _moved(s, layer.start)
        replay.generate_from(s)
        whole = _over(edits, generator.synthesise)
        replayed = _over(edits, lambda s, name=layer.name: replay.generate_from(s, name))
        found.append(_row(layer.name, whole, replayed, rounds, seconds))
    return found


@torch.no_grad()
def measure_sliders(editor: Editor, rounds: int, seconds: float) -> list[Row]:
    """One row per group of controls: one slider of the editor's face goes through its positions; manipulation and picture together."""
    start = editor.face.starts.own
    generator = taught(editor.stack, SOURCE, editor.face.learned)
    found = []
    for group, text in SLIDERS.items():
        edits = [editor.controls.parse(text.format(position), group) for position in POSITIONS[group]]

        def code(changes: Changes) -> torch.Tensor:
            return edit_styles(editor.stack, start.s, changes.deltas(start.params), "cddfm")

        def whole(changes: Changes) -> torch.Tensor:
            return generator.synthesise(code(changes))

        if any(torch.equal(code(edit), code(other)) for edit, other in zip(edits, edits[1:] + edits[:1], strict=True)):
            raise ValueError(f"two positions of {text} give the same code, so there would be nothing to draw; choose others")
        found.append(_row(text.split("=")[0], _over(edits, whole), _over(edits, editor.edit), rounds, seconds))
    return found


def _moved(s: torch.Tensor, start: int) -> list[torch.Tensor]:
    """Style codes that differ from s and from each other from one number on."""
    codes = []
    for index in range(3):
        code = s.clone()
        code[:, start:] += 0.1 * (index + 1)
        codes.append(code)
    return codes


def _over(edits: list[Any], draw: Callable[[Any], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """The next edit at each call, again and again."""
    turn: Iterator[Any] = cycle(edits)
    return lambda: draw(next(turn))


def _row(edited: str, whole: Callable[[], object], replayed: Callable[[], object], rounds: int, seconds: float) -> Row:
    times = take_turns({"whole": whole, "replayed": replayed}, rounds, seconds)
    return {
        "edited": edited,
        "whole_ms": round(times["whole"].median * 1e3, 3),
        "replayed_ms": round(times["replayed"].median * 1e3, 3),
        "replayed_least_ms": round(times["replayed"].minimum * 1e3, 3),
        "spread": round(times["replayed"].spread, 4),
        "rounds": len(times["replayed"].seconds),
        "times_faster": round(times["replayed"].faster_than(times["whole"]), 3),
    }


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
