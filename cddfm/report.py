"""The one console: everything that a user reads passes through here. Messages and progress go to stderr, results to stdout."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

messages = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)

PLAIN_SECONDS = 10.0
"""Without a terminal, progress is a plain line at most this often."""

WIDEST = 400
"""Columns that a table may take; it is never squeezed into a narrower terminal, where numbers would vanish."""

Facts = Mapping[str, float]


def say(text: str) -> None:
    """A message to the person who is watching; never part of the result."""
    messages.print(Text(text))


def fail(text: str) -> None:
    """The one sentence of an error, in red where there is colour."""
    messages.print(Text(f"error: {text}", style="bold red"))


def show_json(value: Any) -> None:
    """A result for programs, on stdout."""
    results.print(Text(json.dumps(value, indent=2)))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], breaks: Sequence[int] = ()) -> None:
    """A result for people, on stdout. Columns of numbers are set flush right; a line follows each row in `breaks`."""
    shown = [[table_cell(value) for value in row] for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        numeric = all(_numeric(row[index]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric)
    for index, row in enumerate(shown):
        table.add_row(*map(Text, row), end_section=index in breaks)
    table.width = Measurement.get(results, results.options.update(max_width=WIDEST), table).maximum
    results.print(table, crop=False)


def facts_line(facts: Facts) -> str:
    """`{"loss": 0.1234}` → `loss 0.123`."""
    return "  ".join(f"{name} {value:.3g}" for name, value in facts.items())


@contextmanager
def progress_bar(title: str, total: int, completed: int = 0) -> Iterator[Callable[[int, Facts], None]]:
    """A bar that runs from `completed` to `total`; yields `advance(position, facts)`, facts being shown beside it."""
    if not messages.is_terminal:
        yield _plain_progress(title, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=messages) as progress:
        task = progress.add_task(title, total=total, completed=completed, facts="")

        def advance(position: int, facts: Facts) -> None:
            progress.update(task, completed=position, facts=facts_line(facts))

        yield advance


def counting(advance: Callable[[int, Facts], None]) -> Callable[[int], None]:
    """For who knows only how many were done since the last time: tells a bar how many were done in all."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        advance(done, {})

    return more


def _plain_progress(title: str, total: int) -> Callable[[int, Facts], None]:
    last = time.monotonic()

    def advance(position: int, facts: Facts) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS:
            say(f"{title}: {position:,} of {total:,}  {facts_line(facts)}".rstrip())
            last = now

    return advance


def _numeric(value: object) -> bool:
    return value is None or isinstance(value, (int, float))


def table_cell(value: object) -> str:
    """Three digits of a number, a dash for nothing."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
