"""`regression`: every stored result held against the paper's figures, or against an earlier results folder.

Exit code 0 where every comparable figure is within its tolerance, 1 where one is outside, 2 where there is nothing to
compare. Reports: regression.md, .html (one file, figures inside), .xml (JUnit: a test case a figure).
"""

import argparse
from pathlib import Path

from experiments.context import check_writable
from experiments.errors import UsageError
from experiments.progress import say, tables
from experiments.reference import FILE
from experiments.results import ResultsStore
from reproduction import regression_report
from reproduction.compare import OUTSIDE, Comparison, compare, earlier, identity, papers_figures
from reproduction.gathered import COMMITTED
from reproduction.measured import measured


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    folder = options.results or COMMITTED
    comparisons = comparisons_of(folder, options.against)
    where = f"{folder} against {options.against or 'the paper'}"
    tables.print(regression_report.summary(comparisons, where).rich())
    for table in regression_report.listings(comparisons):
        tables.print(table.rich())
    files = regression_report.write(comparisons, where, options.output / "regression")
    say("reports: " + ", ".join(str(f) for f in files))
    return 1 if any(c.verdict == OUTSIDE for c in comparisons) else 0


def comparisons_of(folder: Path, against: Path | None) -> list[Comparison]:
    """Every figure of a results folder that has a reference, beside it.

    Raises:
      UsageError: no results there, no reference there, or none that measure the same.
    """
    if against is not None and against.is_file() and against.resolve() != FILE:
        raise UsageError(f"--against takes a results folder or {FILE}, not {against}")
    figures = _figures(folder)
    if against is None or against.is_file():
        reference = papers_figures()
        pairs = [(f, reference.get(f.key), True) for f in figures]
    else:
        reference = earlier(_figures(against), against)
        pairs = [(f, reference.get(identity(f)), False) for f in figures]
    found = [compare(figure, ref, to_paper) for figure, ref, to_paper in pairs if ref is not None]
    if not found:
        raise UsageError(f"none of the {len(figures)} figures in {folder} has a reference in {against or FILE}")
    return found


def _figures(folder: Path):
    figures = measured(ResultsStore(folder).all()) if folder.is_dir() else []
    if not figures:
        raise UsageError(f"no results in {folder}; make some: ./run_experiments.sh fgsm --protocol paper")
    return figures
