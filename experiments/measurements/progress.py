"""Progress with time left on a terminal; one plain line a finished step elsewhere."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

console = Console(stderr=True)
_OFF_A_TERMINAL, _WIDEST = 120, 10_000


class Bar:
    """A running bar: `advance(n)` units of work, `describe(text)` what is being done."""

    def __init__(self, progress: Progress, task):
        self._progress, self._task = progress, task

    def advance(self, n: float) -> None:
        self._progress.advance(self._task, n)

    def describe(self, text: str) -> None:
        self._progress.update(self._task, description=text)

    def rewind(self, done: float) -> None:
        self._progress.update(self._task, completed=done)


@contextlib.contextmanager
def bar(total: float, text: str = ""):
    """A bar over `total` units on standard error, drawn only where that is a terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield Bar(progress, progress.add_task(text, total=total))


def say(text: str) -> None:
    """One line on standard error, above a running bar."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_tables(tables: Iterable[Table], file: Path) -> None:
    """Tables on standard output: whole off a terminal; where one is too narrow, a line names the file that has them."""
    output, cut = Console(), False
    for table in tables:
        needed = Measurement.get(output, output.options.update(max_width=_WIDEST), table).maximum
        if not output.is_terminal:
            output.width = max(_OFF_A_TERMINAL, needed)
        output.print(table)
        cut |= needed > output.width
    if cut:
        say(f"this terminal is too narrow for every column: {file} has them all")
