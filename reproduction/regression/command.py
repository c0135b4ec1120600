"""`regression`: every stored result held against the paper's figures, or against an earlier results folder.

Exit code 0 where every comparable figure is within its tolerance or known to differ, 1 where one is outside, 2 where
there is nothing to compare. Reports: regression.md, .html (one file, figures inside), .xml (JUnit: a case a figure).
"""

import argparse
from pathlib import Path

from deepbayes import PROGRAM
from deepbayes.experiments.measurements.progress import print_tables, say
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.results import ResultsStore, check_writable
from deepbayes.reference.published import FILE, PAPER_CLASSIFIERS
from deepbayes.reproduction.collect import COMMITTED
from deepbayes.reproduction.compare import (
    INCOMPARABLE,
    OUTSIDE,
    Comparison,
    compare,
    earlier,
    experiment,
    papers_figures,
    trial,
)
from deepbayes.reproduction.estimates import Estimate, estimates_of
from deepbayes.reproduction.paper_tables import METRICS
from deepbayes.reproduction.regression import report as regression_report
from deepbayes.reproduction.regression.known_differences import mark_known, no_longer_there


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    folders = [options.results] if options.results else [COMMITTED, options.output]
    comparisons, gone = compared(folders, options.against)
    where = f"{_listed(folders)} against {options.against or 'the paper'}"
    files = regression_report.write(comparisons, gone, where, options.output / "regression")
    shown = [regression_report.summary(comparisons, where), *regression_report.listings(comparisons, gone)]
    print_tables(shown, files[0])
    for line in [] if _is_folder(options.against) else no_longer_there(comparisons):
        say(line)
    say("reports: " + ", ".join(str(f) for f in files))
    if all(c.verdict == INCOMPARABLE for c in comparisons):
        raise UsageError("nothing was comparable, so nothing was checked; see the reasons above")
    return 1 if any(c.verdict == OUTSIDE for c in comparisons) else 0


def compared(folders: list[Path], against: Path | None = None) -> tuple[list[Comparison], list[Estimate]]:
    """Every estimate of results folders that has a reference, beside it; and those that an earlier folder alone holds.

    Args:
      against: an earlier results folder; None is the paper.

    Raises:
      UsageError: no results there, no reference there, or none that measure the same.
      FileError: reference/known_differences.csv is not in order.
    """
    if against is not None and not against.is_dir() and against.resolve() != FILE:
        lacks = "" if against.exists() else ", which does not exist"
        raise UsageError(f"--against takes a results folder or {FILE}, not {against}{lacks}")
    estimates, gone = _estimates(folders), []
    to_the_paper = not _is_folder(against)
    if to_the_paper:
        reference = papers_figures()
        pairs = [(e, reference.get(e.key)) for e in estimates]
    else:
        before = _estimates([against])
        reference = earlier(before, against)
        pairs = [(e, reference.get(trial(e), reference.get(experiment(e)))) for e in estimates]
        there = {experiment(e) for e in estimates}
        gone = list({experiment(e): e for e in before if experiment(e) not in there}.values())
    comparisons = [compare(estimate, ref, to_the_paper) for estimate, ref in pairs if ref is not None]
    if not comparisons:
        raise UsageError(
            f"none of the {len(estimates)} figures in {_listed(folders)} has a reference in {against or FILE}"
        )
    comparisons.sort(key=_place)
    return (mark_known(comparisons) if to_the_paper else comparisons), gone


def _is_folder(against: Path | None) -> bool:
    """Whether that is an earlier results folder, in which no difference is a known one; else it is the paper."""
    return against is not None and against.is_dir()


def _place(c: Comparison) -> tuple:
    """By attack, metric and classifier, whatever the age of the files."""
    key = c.estimate.key
    metrics, names = [*METRICS, key.metric], [*PAPER_CLASSIFIERS, key.classifier]
    return key.dataset, key.attack, metrics.index(key.metric), names.index(key.classifier), key.parameter


def _estimates(folders: list[Path]) -> list[Estimate]:
    """The estimates of each folder, each once: of runs that differ in the number of images alone the largest counts.

    A run that several folders hold counts once, the last folder's.
    """
    by_run = {}
    for folder in dict.fromkeys(f.resolve() for f in folders):
        estimates = estimates_of(ResultsStore(folder).all()) if folder.is_dir() else []
        largest = {trial(e): e for e in sorted(estimates, key=lambda e: e.settings["num_images"])}
        by_run |= {(run, e.settings["num_images"]): e for run, e in largest.items()}
    if not by_run:
        raise UsageError(f"no results in {_listed(folders)}; make some: {PROGRAM} detect --protocol paper")
    return list(by_run.values())


def _listed(folders: list[Path]) -> str:
    return " and ".join(map(str, folders))
