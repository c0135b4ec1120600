"""Progress with time left on a terminal; one plain line a finished step elsewhere."""

import contextlib

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True)
tables = Console(width=None if Console().is_terminal else 120)


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
