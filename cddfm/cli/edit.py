"""`cddfm edit`: pictures in, edited pictures out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from PIL import Image

    from cddfm.controls import Changes
    from cddfm.edit import Editor, Likeness


@dataclass(frozen=True)
class Task:
    """One face (a picture, or a seed) and the file that it becomes."""

    source: Path | int
    out: Path


@dataclass(frozen=True)
class Wish:
    """What to do with every face."""

    changes: Changes
    sweep: list[Changes] | None
    domain: str
    method: str
    like: Likeness | None
    grid: bool
    whole: bool
    face: int
    steps: int


def edit(
    images: Annotated[list[Path] | None, typer.Argument(metavar="[IMG]...", help="Pictures, or folders of pictures.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Picture file; with several images, a folder.")] = None,
    pose: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Degrees: yaw, pitch, roll.")] = [],
    expression: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="0 to 1: smile, jawOpen, ...")] = [],
    light: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="azimuth, elevation, intensity, ...")] = [],
    shape: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Standard deviations.")] = [],
    albedo: Annotated[list[str], typer.Option(metavar="NAME=VALUE,...", help="Standard deviations.")] = [],
    like: Annotated[Path | None, typer.Option(metavar="IMG", help="Take parameters over from the face of another picture.")] = None,
    take: Annotated[str | None, typer.Option(metavar="GROUP,...", help="Which, with --like; pose,expression,light when left out.")] = None,
    domain: Annotated[str, typer.Option(help="Which generator draws: portrait, toon, ...")] = "portrait",
    sweep: Annotated[str | None, typer.Option(metavar="NAME=FIRST:LAST:COUNT", help="A row of edits, e.g. yaw=-30:30:7.")] = None,
    grid: Annotated[bool, typer.Option("--grid", help="Write a sheet: before, after, and what lies between.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Write the whole photograph, the edited face in its place.")] = False,
    method: Annotated[
        str,
        typer.Option(help="cddfm, stylerig (as published), linear, base (StyleRig in style space), or a variant such as stylerig-no-edit."),
    ] = "cddfm",
    face: Annotated[int, typer.Option(min=1, help="Which face of the picture, the most prominent being 1.")] = 1,
    steps: Annotated[int | None, typer.Option(min=0, help="Optimisation steps: of the code, then of the generator.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Edit a face that the generator makes up, instead of a picture.")] = None,
    stack: Annotated[Path | None, typer.Option(help="Folder of networks; the embedded ones when left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave outputs alone that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done, for programs.")] = False,
) -> None:
    """Edit portraits: each change is relative to the face as it is. See `cddfm controls` for the names."""
    from cddfm.controls import Changes
    from cddfm.device import choose_device
    from cddfm.edit import INVERSION_STEPS, Editor, parse_taken
    from cddfm.errors import UserError
    from cddfm.stack import Stack
    from domains.registry import SOURCE

    if (seed is None) == (not images):
        raise UserError("give pictures to edit, or --seed for a generated face; one of the two")
    if out is None:
        raise UserError("name the output with -o, such as -o out.png")
    if take is not None and like is None:
        raise UserError(f"--take {take} needs the picture to take it from: --like other.jpg")
    if whole and (seed is not None or grid or sweep is not None or domain != SOURCE):
        raise UserError("--whole is one photograph edited as a portrait; leave out --whole, or --seed, --grid, --sweep and --domain")
    taken = parse_taken("pose,expression,light" if take is None else take)
    tasks = [Task(seed, out)] if seed is not None else plan(images or [], out)
    check_outputs(tasks, like)
    editor = Editor(Stack(stack, choose_device(device)))
    given = {"pose": pose, "expression": expression, "light": light, "shape": shape, "albedo": albedo}
    changes = sum((editor.controls.parse(",".join(texts), group) for group, texts in given.items()), Changes())
    swept = editor.controls.parse_sweep(sweep) if sweep else None
    editor.prepare(domain, method)
    count = INVERSION_STEPS if steps is None else steps
    likeness = None if like is None else _likeness(editor, like, taken, count)
    wish = Wish(changes, swept, domain, method, likeness, grid, whole, face, count)
    _run(editor, tasks, wish, skip_existing, as_json)


def plan(images: Sequence[Path], out: Path) -> list[Task]:
    """One picture becomes the file `out`; several, or a folder, become files of the same names in the folder `out`."""
    from cddfm.errors import UserError
    from cddfm.images import WRITABLE, picture_files

    if len(images) == 1 and not images[0].is_dir() and not out.is_dir():
        return [Task(images[0], out)]
    if out.suffix.lower() in WRITABLE and not out.is_dir():
        raise UserError(f"several pictures cannot all become {out}; give -o a folder")
    files = [file for image in images for file in (picture_files(image) if image.is_dir() else [image])]
    stems = [file.stem for file in files]
    names = [stem if stems.count(stem) == 1 else file.name for stem, file in zip(stems, files, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"two pictures are called {twice}; edit them in two runs with different output folders")
    return [Task(file, out / f"{name}.png") for name, file in zip(names, files, strict=True)]


def check_outputs(tasks: Sequence[Task], like: Path | None = None) -> None:
    from cddfm.errors import UserError
    from cddfm.images import check_writable

    for task in tasks:
        check_writable(task.out)
        for source in (task.source, like):
            if isinstance(source, Path) and source.exists() and task.out.exists() and task.out.samefile(source):
                raise UserError(f"the output {task.out} is the picture itself; name another file, so that the original stays")


def _likeness(editor: Editor, source: Path, groups: tuple[str, ...], steps: int) -> Likeness:
    """The most prominent face of a picture, as one to take parameters over from."""
    from cddfm.edit import Likeness
    from cddfm.images import read_picture, to_tensor
    from cddfm.report import progress_bar
    from stylespace.embed import code_steps

    picture = to_tensor(read_picture(source))
    with progress_bar(source.name, total=code_steps(steps)) as advance:
        found = editor.read(picture, str(source), 1, steps, lambda step, loss: advance(step, {"loss": float(loss)}))
    return Likeness(found, groups)


def _run(editor: Editor, tasks: Sequence[Task], wish: Wish, skip_existing: bool, as_json: bool) -> None:
    """Every task; with several, a failing one is reported and the others go on. Exits with 1 if any failed."""
    from cddfm.errors import UserError
    from cddfm.report import fail, say, show_json

    done: list[dict[str, object]] = []
    for task in tasks:
        if skip_existing and task.out.exists():
            done.append({"source": str(task.source), "output": str(task.out), "status": "skipped"})
            say(f"kept {task.out}")
            continue
        try:
            done.append({"source": str(task.source), "output": str(task.out), "status": "done", **_one(editor, task, wish)})
            say(f"wrote {task.out}")
        except UserError as error:
            if len(tasks) == 1:
                raise
            done.append({"source": str(task.source), "output": str(task.out), "status": "failed", "error": str(error)})
            fail(str(error))
    if as_json:
        show_json(done)
    failed = sum(entry["status"] == "failed" for entry in done)
    if failed:
        fail(f"{failed} of {len(tasks)} pictures failed")
        raise typer.Exit(1)


def _one(editor: Editor, task: Task, wish: Wish) -> dict[str, object]:
    from cddfm.align import paste
    from cddfm.images import read_picture, to_picture, to_tensor, write_picture

    if isinstance(task.source, int):
        original: Image.Image | None = None
        editor.set_seed(task.source)
    else:
        original = read_picture(task.source)
        _invert(lambda on_step: editor.set_image(to_tensor(original), str(task.source), wish.face, wish.steps, on_step), task, wish)
    if wish.grid or wish.sweep is not None:
        picture = _sheet(editor, original, wish)
    else:
        edited = editor.edit(wish.changes, wish.domain, wish.method, wish.like)
        picture = paste(original, editor.face.aligned, edited) if wish.whole else to_picture(edited)
    write_picture(task.out, picture)
    return {} if original is None else {"inversion_loss": editor.face.loss}


def _invert(run: Callable[[Callable[..., None]], object], task: Task, wish: Wish) -> None:
    from cddfm.report import progress_bar

    with progress_bar(Path(str(task.source)).name, total=wish.steps) as advance:
        run(lambda step, loss: advance(step, {"loss": float(loss)}))


def _sheet(editor: Editor, original: Image.Image | None, wish: Wish) -> Image.Image:
    """Before and after; with a sweep, the sweep; in another domain, its view of both."""
    from cddfm.controls import Changes
    from cddfm.sheet import Cell, Row, draw_sheet

    steps = [wish.changes + change for change in wish.sweep] if wish.sweep is not None else [wish.changes]
    still = "no change" if wish.like is None else "like the other"
    after = [Cell(editor.edit(changes, wish.domain, wish.method, wish.like), str(changes) or still) for changes in steps]
    if not wish.grid:
        return draw_sheet([Row(after)])
    aligned = editor.face.aligned
    before = [Cell(original, "photograph")] if original is not None else []
    before += [Cell(aligned.sharp, "aligned")] if aligned is not None else []
    before.append(Cell(editor.inversion(), "inversion" if aligned is not None else "generated", marked=True))
    if wish.domain != "portrait":
        before.append(Cell(editor.edit(Changes(), wish.domain), wish.domain, marked=True))
    if wish.like is not None and wish.like.other.aligned is not None:
        before.append(Cell(wish.like.other.aligned.sharp, "the other"))
    if len(after) == 1:
        return draw_sheet([Row([*before, *after])])
    return draw_sheet([Row(before, "Before"), Row(after, "After")])


def register(app: typer.Typer) -> None:
    app.command("edit")(edit)
