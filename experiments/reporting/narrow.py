"""Tables on a narrow terminal: text wraps, cells break where a bracket or a slash begins, columns go into parts.

No number is ever cut.
"""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

Grid = list[list[str]]
"""Rows of cells, the heads first."""

_BRACKET = re.compile(r" (?=[(\[/])")
_COMMA = re.compile(r"(?<=,) ")
_NAME, _TEXT = 16, 24
"""Letters that the first column keeps; letters from which on a cell is text, which may wrap between words."""


def fitting(grid: Grid, width: int) -> list[Grid]:
    """The grid as it is where it fits so many columns of text; else with broken cells, or in as few parts as do.

    Every part begins with the first column.
    """
    first = [grid[0], *_broken(grid[1:], _BRACKET)]
    levels = grid, first, [_heads(grid[0]), *_broken(first[1:], _COMMA)]
    most = max(len(grid[0]) - 1, 1)
    for parts in range(1, most + 1):
        for level in levels:
            found = list(_parts(level, parts))
            if all(_minimum(part) <= width for part in found):
                return found
    return list(_parts(levels[-1], most))


def rich_table(grid: Grid, **of_table) -> RichTable:
    """For a terminal. Names are text: brackets in them are no markup, colons no emoji."""
    table, (heads, *rows) = RichTable(title_justify="left", caption_justify="left", **of_table), grid
    for column, head in enumerate(heads):
        cells = [row[column] for row in rows]
        longest = max(cell_len(line) for cell in (head, *cells) for line in cell.split("\n"))
        # a short first column keeps its width, a long one is the first to be wrapped; so is text
        wraps = longest > _NAME if column == 0 else any(len(c) > _TEXT and " " in c for c in cells)
        table.add_column(
            Text(head), justify="left" if column == 0 else "right", overflow="fold", no_wrap=not wraps,
            min_width=min(longest, _NAME) if wraps else longest,
        )  # fmt: skip
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _parts(grid: Grid, parts: int) -> Iterator[Grid]:
    """The columns behind the first in so many parts of about the same number."""
    columns = len(grid[0]) - 1
    size = max(-(-columns // parts), 1)
    for first in range(1, max(columns, 1) + 1, size):
        yield [[row[0], *row[first : first + size]] for row in grid]


def _minimum(grid: Grid) -> int:
    """The least width at which nothing is cut."""
    console = Console(width=10_000)
    return Measurement.get(console, console.options, rich_table(grid)).minimum


def _broken(rows: Grid, at: re.Pattern) -> Grid:
    return [[name, *(at.sub("\n", cell) if len(cell) <= _TEXT else cell for cell in cells)] for name, *cells in rows]


def _heads(heads: list[str]) -> list[str]:
    return [heads[0], *(head.replace(" ", "\n") for head in heads[1:])]
