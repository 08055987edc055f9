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
from cddfm.parallel import Kept, Team, team
from cddfm.precision import convolving_in
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
    Ctrl-C ends the step at hand, saves, and then raises KeyboardInterrupt. In a team (`cddfm.parallel`) each process takes the next
    `stage.batch` images; they decide together, and the leader writes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mates = team()
    position = _resume(stage, options, folder)
    if mates.leads:
        notes = {"processes": mates.size, "precision": mates.precision}
        write_atomically(folder / "options.json", json.dumps(options.model_dump() | notes, indent=2).encode())
    how = f"{mates.size} processes, {mates.precision}" if mates.size > 1 else mates.precision
    say(f"{title}: {position:,} of {options.total_images:,} images done; {how}; options {options.model_dump_json()}")
    means = Means()
    begun = reported = saved = time.monotonic()
    since_report = 0
    with (
        progress_bar(title, total=options.total_images, completed=position) as advance,
        deferred_interrupt() as interrupted,
        Kept(mates, stage.modules, stage.optimizers) as kept,
        convolving_in(mates.precision, stage.modules.values()),
    ):
        while True:
            now = time.monotonic()
            finished = position >= options.total_images
            stop, out_of_time, report, save = mates.agree(
                interrupted.is_set(),
                mates.leads and seconds is not None and now - begun > seconds,
                mates.leads and now - reported > REPORT_SECONDS,
                mates.leads and now - saved > CHECKPOINT_SECONDS,
            )
            last = finished or stop or out_of_time
            if since_report and (report or finished):
                facts = means.taken(mates)
                _require_numbers(facts, position)
                rate = since_report / (now - reported)
                if mates.leads:
                    _log(folder, position, rate, facts)
                advance(position, {"rate": rate, **facts})
                reported, since_report = now, 0
            if save or last:
                kept.before_saving()
                if mates.leads:
                    _checkpoint(stage, options, folder, position)
                    if snapshot is not None:
                        snapshot(folder / f"snapshot-{position:09d}.png")
                saved = now
            if last:
                break
            share = position + mates.rank * stage.batch
            means.add(stage.step(share, step_generator(options.seed, share)))
            kept.after_step()
            position += stage.batch * mates.size
            since_report += stage.batch * mates.size
    if stop:
        raise KeyboardInterrupt
    return finished


class Means:
    """Running means of what a stage reports; a step need not report everything."""

    def __init__(self) -> None:
        self.sums: dict[str, float | Tensor] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, facts: Mapping[str, float | Tensor]) -> None:
        for name, value in facts.items():
            self.sums[name] = self.sums[name] + (value.detach() if isinstance(value, Tensor) else value)
            self.counts[name] += 1

    def taken(self, mates: Team) -> dict[str, float]:
        """The means over a team's steps since the last time."""
        mine = {name: (float(total), self.counts[name]) for name, total in self.sums.items()}
        self.sums.clear(), self.counts.clear()
        return {name: total / count for name, (total, count) in mates.merged(mine).items()}


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


def _require_numbers(means: Mapping[str, float], position: int) -> None:
    bad = [name for name, value in means.items() if value != value]
    if bad:
        raise UserError(f"training diverged after {position:,} images: {', '.join(bad)} is not a number; lower the learning rate")


def _log(folder: Path, position: int, rate: float, means: Mapping[str, float]) -> None:
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
    kept = team().tell(path.read_bytes() if team().leads and path.exists() else None)
    if kept is None:
        return 0
    try:
        state = torch.load(io.BytesIO(kept), weights_only=True, map_location="cpu")
    except Exception as error:
        raise UserError(f"the checkpoint {path} cannot be read ({error}); delete it to start over") from error
    made, asked = (json.loads(text) for text in (state["options"], options.model_dump_json()))
    changed = [key for key in asked if key != "total_images" and asked[key] != made.get(key)]
    if changed:
        shown = ", ".join(f"{key}={made.get(key)!r}" for key in changed)
        raise UserError(f"{path} was made with {shown}; use the same options to go on, or delete it to start over")
    for name, module in stage.modules.items():
        module.load_state_dict(state["modules"][name])
    for name, optimizer in stage.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return state["position"]
