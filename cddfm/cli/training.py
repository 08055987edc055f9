"""The commands that make a stack: each reads what it builds on from the stack folder and adds one thing to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Preset = Annotated[str, typer.Option(help="tiny (a test), small (128 px, many hours of 2 CPU cores), large (256 px, one data-centre GPU).")]
StackFolder = Annotated[Path, typer.Option("--stack", help="Folder of finished networks, read and written.")]
Work = Annotated[Path, typer.Option(help="Folder for drawn portraits, checkpoints, logs and snapshots.")]
Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change one option of the preset; lists are joined by commas.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="What convolutions are computed in: fp32, bf16, or auto (bf16 where there are units for it).")]
Seconds = Annotated[float | None, typer.Option(help="Stop and save after this time; the same command goes on later.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the options and stop.")]
Morphable = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Begin a stack on this morphable model, which is kept in it; see 'cddfm morphable'.")
]


def _run(
    recipe: str, preset: str, stack: Path, work: Path, changes: list[str], device: str, seconds: float | None, dry: bool,
    morphable: Path | None = None, precision: str = "fp32",
) -> None:  # fmt: skip
    import importlib

    from cddfm.config import resolve
    from cddfm.device import choose_device
    from cddfm.parallel import joined
    from cddfm.report import say
    from cddfm.runs import Folders

    module: Any = importlib.import_module(f"cddfm.recipes.{recipe}")
    options = resolve(module.RecipeOptions, preset, changes)
    if dry:
        say(options.model_dump_json(indent=2))
        return
    chosen = choose_device(device)
    with joined(chosen, precision) as team:
        if morphable is not None:
            from cddfm.worlds import adopt

            with team.one_first():
                adopt(stack, morphable)
        finished = module.run(options, Folders(stack, work), chosen, seconds)
        say(f"{recipe}: finished, in {stack}" if finished else f"{recipe}: saved; run the same command again to go on")


def _check_role(role: str, roles: tuple[str, ...]) -> None:
    from cddfm.config import nearest
    from cddfm.errors import UserError

    if role not in roles:
        raise UserError(f"there is no role {role!r}: {nearest(role, roles)}")


def train_generator(
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False, morphable: Morphable = None,
) -> None:  # fmt: skip
    """Train generator and encoder on the procedural world's portraits, or on those of a morphable model."""
    _run("generator", preset, stack, work, changes, device, seconds, dry_run, morphable, precision)


def train_reconstruction(
    role: Annotated[
        str, typer.Option(help="estimator (trains the rest), judge (evaluates it, and nothing else), or onlooker (sees what domains draw).")
    ] = "estimator",
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False, morphable: Morphable = None,
) -> None:  # fmt: skip
    """Train a network that reads face parameters off a picture."""
    _check_role(role, ("estimator", "judge", "onlooker"))
    _run("reconstruction", preset, stack, work, [f"role={role}", *changes], device, seconds, dry_run, morphable, precision)


def train_landmarks(
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False, morphable: Morphable = None,
) -> None:  # fmt: skip
    """Train a network that tells where the landmarks of a face lie in a picture."""
    _run("landmarks", preset, stack, work, changes, device, seconds, dry_run, morphable, precision)


def train_recognition(
    role: Annotated[str, typer.Option(help="recogniser, or identity_judge (evaluates, and trains nothing).")] = "recogniser",
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False, morphable: Morphable = None,
) -> None:  # fmt: skip
    """Train a network that tells whom a picture shows."""
    _check_role(role, ("recogniser", "identity_judge"))
    _run("recognition", preset, stack, work, [f"role={role}", *changes], device, seconds, dry_run, morphable, precision)


def train_base(
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Train StyleRig: the DFR and one RigNet per attribute; in W+ and with parts left out, too (--set space=w_plus, ablation=no-edit)."""
    _run("base", preset, stack, work, changes, device, seconds, dry_run, precision=precision)


def train_linear(
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Fit the linear baseline: ridge regression between face parameters and style codes."""
    _run("linear", preset, stack, work, changes, device, seconds, dry_run)


def select_layers(
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Measure which style layers answer to each attribute; writes layers.json and layers.png."""
    _run("layers", preset, stack, work, changes, device, seconds, dry_run)


def train_editor(
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Train the attribute predictor and the latent manipulators on the selected layers."""
    _run("editor", preset, stack, work, changes, device, seconds, dry_run, precision=precision)


def adapt_domain(
    domain: Annotated[str, typer.Argument(help="Style of the world to adapt to, e.g. toon.")],
    preset: Preset = "small", stack: StackFolder = Path("stack"), work: Work = Path("runs"), changes: Set = [],
    device: Device = "auto", seconds: Seconds = None, precision: Precision = "auto",
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Finetune the generator to another style without touching what reads the latent code."""
    _run("domain", preset, stack, work, [f"domain={domain}", *changes], device, seconds, dry_run, precision=precision)


def register(app: typer.Typer) -> None:
    networks = (train_generator, train_reconstruction, train_landmarks, train_recognition)
    methods = (train_base, train_linear, select_layers, train_editor)
    for command in (*networks, *methods, adapt_domain):
        app.command(command.__name__.replace("_", "-"))(command)
