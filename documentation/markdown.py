"""Tables and links of GitHub's Markdown."""

import re
import textwrap
from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """Text that can stand in a table: one line, no bare `|`, no HTML."""
    return re.sub(r"\s+", " ", str(text)).strip().replace("|", "\\|").replace("<", "&lt;")


def code_cell(text: str) -> str:
    """Code that can stand in a table; "" where there is none."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of cells that are Markdown already; the columns `numbers` are right-aligned."""
    rule = ["---:" if k in numbers else "---" for k in range(len(heads))]
    lines = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading: lower case, punctuation left out, spaces as dashes."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def wrapped(text: str, width: int = 120) -> str:
    """The text with paragraphs and list items on lines of at most `width`; tables, code and comments as they are."""
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        bullet = re.match(r"(- |\d+\. |> )?", line)[0]
        as_it_is = fenced or len(line) <= width or line.startswith(("```", "|", "#", "    ", "<!--", "!["))
        after = " " * len(bullet) if bullet != "> " else bullet
        lines += [line] if as_it_is else textwrap.wrap(
            line.removeprefix(bullet), width, initial_indent=bullet, subsequent_indent=after,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)
