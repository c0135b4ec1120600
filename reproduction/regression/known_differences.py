"""Figures known to be outside their tolerance: reference/known_differences.csv, each with its explanation.

A row has patterns (as of file names: * and ?) of dataset, classifier, attack, parameter and metric, why the figures
differ, and the section of docs/results/differences.md that explains it, by its anchor. Rows concern comparisons with
the paper alone.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from deepbayes import ROOT
from deepbayes.models.files import FileError
from deepbayes.reference import published as published_module
from deepbayes.reference.published import Key
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, Comparison, papers_figures

FILE = Path(published_module.__file__).with_name("known_differences.csv")
_PAGE = "docs/results/differences.md"
EXPLANATIONS = ROOT / _PAGE
_COLUMNS = (*Key._fields, "why", "section")


@dataclass(frozen=True)
class KnownDifference:
    """A row of the file.

    Attributes:
      line: in the file, the header being 1.
      pattern: of the keys that it concerns.
      section: anchor of a heading in docs/results/differences.md.
    """

    line: int
    pattern: Key
    why: str
    section: str

    def matches(self, key: Key) -> bool:
        return all(map(fnmatchcase, key, self.pattern))

    @property
    def explanation(self) -> str:
        return f"{self.why} ({_PAGE}#{self.section})"


def mark_known(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons, `known` with its explanation where one is outside and a row of the file expects it.

    Raises:
      FileError: as `known_differences`.
    """
    return [_marked(c) for c in comparisons]


def _marked(comparison: Comparison) -> Comparison:
    if comparison.verdict != OUTSIDE:
        return comparison
    row = next((k for k in known_differences() if k.matches(comparison.estimate.key)), None)
    return replace(comparison, verdict=KNOWN, reason=row.explanation) if row else comparison


def no_longer_there(comparisons: list[Comparison]) -> list[str]:
    """A line a row of the file whose figures were compared and are all within now."""
    lines = []
    for row in known_differences():
        compared = [c for c in comparisons if c.verdict != INCOMPARABLE and row.matches(c.estimate.key)]
        if not compared or any(c.verdict == KNOWN for c in compared):
            continue
        first = compared[0]
        name, estimate = " ".join(part for part in first.estimate.key if part), first.estimate
        lines.append(
            f"known difference no longer there: {name} ({estimate.value:.4g} on {estimate.n:,} images, the "
            f"paper's {first.reference.value:.4g}); remove it from reference/{FILE.name}, line {row.line}"
        )
    return lines


@cache
def known_differences() -> tuple[KnownDifference, ...]:
    """All rows of the file.

    Raises:
      FileError: the file is missing; or a row is not whole, matches no figure of the paper, or names a section that
        docs/results/differences.md does not have (an installed package comes without docs/, and is not checked).
    """
    if not FILE.exists():
        raise FileError(f"{FILE} is missing; it comes with the project")
    rows = csv.DictReader(FILE.read_text("utf-8-sig").splitlines())
    anchors = anchors_of(EXPLANATIONS.read_text()) if EXPLANATIONS.exists() else None
    return tuple(_checked(row, rows.line_num, anchors) for row in rows)


def _checked(row: dict, line: int, anchors: set[str] | None) -> KnownDifference:
    where = f"{FILE}, line {line}"
    if None in row or not all(row.get(name) for name in _COLUMNS):
        raise FileError(f"{where}: takes {', '.join(Key._fields)} (patterns; * is any), why, and section")
    known = KnownDifference(line, Key(*(row[name] for name in Key._fields)), row["why"], row["section"])
    if not any(map(known.matches, papers_figures())):
        raise FileError(f"{where}: no figure in {published_module.FILE.name} is {' '.join(known.pattern)}")
    if anchors is not None and known.section not in anchors:
        raise FileError(
            f"{where}: {_PAGE} has no section {known.section!r}; explain the difference there and name its heading as "
            "an anchor, such as dbx-under-pgd-and-mim"
        )
    return known


def anchors_of(markdown: str) -> set[str]:
    """The anchors of a page's headings as GitHub makes them: "What does not" is what-does-not."""
    text = re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#{1,6} (.+?)\s*$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
