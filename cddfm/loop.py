"""The training loop of every stage: report → snapshot → checkpoint → done? → step. Resuming is the same command again."""

from __future__ import annotations

import io
import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cddfm.config import Options
from cddfm.errors import UserError
from cddfm.report import progress_bar, say
from stylespace.weights import write_atomically

REPORT_SECONDS = 10.0
CHECKPOINT_SECONDS = 120.0


@runtime_checkable
class Stage(Protocol):
    """One training method. `modules` and `optimizers` are what a checkpoint holds."""

    batch: int
    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        """One optimiser step on images [position, position + batch). All randomness comes from the given CPU generator."""
        ...


def step_generator(seed: int, position: int) -> torch.Generator:
    """Randomness of one step: a function of the seed and the count of images before it, so a resumed run draws the same."""
    return torch.Generator().manual_seed((seed * 1_000_003 + position) * 7919 % (2**63 - 25))


def train(
    stage: Stage,
    options: Options,
    folder: Path,
    title: str,
    snapshot: Callable[[Path], None] | None = None,
    seconds: float | None = None,
) -> bool:
    """Train until `options.total_images`; True when done, False when `seconds` ran out first (run again to go on).

    The folder receives options.json, log.jsonl, checkpoint.pt and the snapshots. A checkpoint made with other options is refused.
    Ctrl-C ends the step at hand, saves, and then raises KeyboardInterrupt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    position = _resume(stage, options, folder)
    write_atomically(folder / "options.json", json.dumps(options.model_dump(), indent=2).encode())
    say(f"{title}: {position:,} of {options.total_images:,} images done; options {options.model_dump_json()}")
    sums: dict[str, float | Tensor] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    begun = reported = saved = time.monotonic()
    since_report = 0
    with progress_bar(title, total=options.total_images, completed=position) as advance, deferred_interrupt() as interrupted:
        while position < options.total_images and not interrupted.is_set():
            if seconds is not None and time.monotonic() - begun > seconds:
                break
            for name, value in stage.step(position, step_generator(options.seed, position)).items():
                sums[name] = sums[name] + (value.detach() if isinstance(value, Tensor) else value)
                counts[name] += 1
            position += stage.batch
            since_report += stage.batch
            now = time.monotonic()
            if now - reported > REPORT_SECONDS or position >= options.total_images:
                means = {name: float(total) / counts[name] for name, total in sums.items()}
                _log(folder, position, since_report / (now - reported), means)
                advance(position, {"rate": since_report / (now - reported), **means})
                sums.clear(), counts.clear()
                reported, since_report = now, 0
            if now - saved > CHECKPOINT_SECONDS:
                _checkpoint(stage, options, folder, position)
                if snapshot is not None:
                    snapshot(folder / f"snapshot-{position:09d}.png")
                saved = now
        _checkpoint(stage, options, folder, position)
        if snapshot is not None:
            snapshot(folder / f"snapshot-{position:09d}.png")
    if interrupted.is_set():
        raise KeyboardInterrupt
    return position >= options.total_images


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Inside, the first Ctrl-C only sets the event; a second one interrupts as ever. Outside the main thread nothing changes."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


def _log(folder: Path, position: int, rate: float, means: Mapping[str, float]) -> None:
    bad = [name for name, value in means.items() if value != value]
    if bad:
        raise UserError(f"training diverged after {position:,} images: {', '.join(bad)} is not a number; lower the learning rate")
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"images": position, "images_per_second": round(rate, 2), **means}) + "\n")


def _checkpoint(stage: Stage, options: Options, folder: Path, position: int) -> None:
    buffer = io.BytesIO()
    torch.save(
        {
            "position": position,
            "options": options.model_dump_json(),
            "modules": {name: module.state_dict() for name, module in stage.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in stage.optimizers.items()},
        },
        buffer,
    )
    write_atomically(folder / "checkpoint.pt", buffer.getvalue())


def _resume(stage: Stage, options: Options, folder: Path) -> int:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise UserError(f"the checkpoint {path} cannot be read ({error}); delete it to start over") from error
    kept, asked = (json.loads(text) for text in (state["options"], options.model_dump_json()))
    changed = [key for key in asked if key != "total_images" and asked[key] != kept.get(key)]
    if changed:
        shown = ", ".join(f"{key}={kept.get(key)!r}" for key in changed)
        raise UserError(f"{path} was made with {shown}; use the same options to go on, or delete it to start over")
    for name, module in stage.modules.items():
        module.load_state_dict(state["modules"][name])
    for name, optimizer in stage.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return state["position"]
