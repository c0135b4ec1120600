"""What a command says while it works: a bar with the time left on a terminal, one plain line a finished step elsewhere.

Tables are its result and go to standard output; everything else goes to standard error.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as RichTable

console = Console(stderr=True)
_OFF_A_TERMINAL, _WIDEST = 120, 10_000


def be_quiet(quiet: bool) -> None:
    """From now on `say`, `step_done` and bars print nothing, or print again."""
    console.quiet = quiet


class Bar:
    """A running bar: `advance(n)` units of work, `describe(text)` what is being done."""

    def __init__(self, progress: Progress, total: float, text: str):
        self._progress, self._task = progress, progress.add_task(text, total=total)
        self._total, self._done, self._start = total, 0.0, time.monotonic()

    def advance(self, n: float) -> None:
        self._done += n
        self._progress.advance(self._task, n)

    def describe(self, text: str) -> None:
        self._progress.update(self._task, description=text)

    def rewind(self, done: float) -> None:
        self._done = done
        self._progress.update(self._task, completed=done)

    @property
    def standing(self) -> str:
        """ "34 %, 0:01:10, 0:02:16 left": share of the work, time so far, and the time that the rest takes at this
        speed.
        """
        took, share = time.monotonic() - self._start, min(self._done / self._total, 1.0) if self._total else 0.0
        left = f", {_clock(took / share - took)} left" if 0 < share < 1 else ""
        return f"{100 * share:.0f} %, {_clock(took)}{left}"


_running: list[Bar] = []
"""Bars, the innermost last."""


@contextlib.contextmanager
def bar(total: float, text: str = ""):
    """A bar over `total` units on standard error, drawn only where that is a terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    hidden = console.quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=hidden, transient=True) as progress:
        _running.append(Bar(progress, total, text))
        try:
            yield _running[-1]
        finally:
            _running.pop()


def say(text: str) -> None:
    """One line on standard error, above a running bar."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def step_done(text: str) -> None:
    """One line for a finished step, with the standing of the running bar; nothing on a terminal, which has the bar."""
    if not console.is_terminal:
        say(f"{text} ({_running[-1].standing})" if _running else text)


def warn(text: str) -> None:
    """As `say_always`, a warning."""
    say_always(f"warning: {text}")


def say_always(text: str) -> None:
    """As `say`, also where a command is quiet."""
    quiet, console.quiet = console.quiet, False
    try:
        say(text)
    finally:
        console.quiet = quiet


def _clock(seconds: float) -> str:
    """1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


class Fitting(Protocol):
    """A table that knows how to be narrow."""

    def fitting(self, width: int) -> list[RichTable]:
        """Itself in at most so many columns of text: whole, with broken cells, or in several parts."""


def print_tables(tables: Iterable[Fitting], file: Path) -> None:
    """Tables on standard output, as narrow as the terminal, or as COLUMNS says; elsewhere whole.

    Where even the narrowest form is too wide, a line names the file that has all columns.
    """
    output, cut = Console(), False
    whole = not output.is_terminal and "COLUMNS" not in os.environ
    for table in tables:
        for part in table.fitting(_WIDEST if whole else output.width):
            needed = Measurement.get(output, output.options.update(max_width=_WIDEST), part)
            if whole:
                output.width = max(_OFF_A_TERMINAL, needed.maximum)
            output.print(part)
            cut |= needed.minimum > output.width
    if cut:
        warn(f"this terminal is too narrow for every column: {file} has them all")
