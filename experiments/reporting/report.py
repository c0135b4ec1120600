"""`report`, and the end of every run: tables and figures from the results store, without computing anything."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from deepbayes import PROGRAM
from deepbayes.experiments.measurements.progress import print_tables, say, warn
from deepbayes.experiments.reporting.grouping import chosen, in_usual_order
from deepbayes.experiments.reporting.pages import Page, pages
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import DEFAULT_PROTOCOL
from deepbayes.experiments.store.names import visible
from deepbayes.experiments.store.result import Result
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.files import atomic


def run(options: argparse.Namespace) -> int:
    """Tables and figures; with --html or --csv one file of all results, of every protocol unless one is named."""
    if options.to and options.html == options.csv:
        raise UsageError("--to names one file: say --html or --csv, one of them, before it")
    if options.to and options.to.is_dir():
        raise UsageError(f"--to names a file, and {options.to} is a folder")
    one_file = options.html or options.csv
    protocol = options.protocol or ("" if one_file else DEFAULT_PROTOCOL)
    store = ResultsStore(options.output)
    results = [r for r in store.all(options.dataset) if protocol in ("", r.protocol)]
    if not results:
        which = f" of protocol {protocol}" if protocol else ""
        raise UsageError(f"no results{which} in {options.output}; make some: {PROGRAM} fgsm")
    results = in_usual_order(results)
    found = chosen(results, options.attack, options.classifiers)
    if one_file:
        return _write_files(store, found, options)
    show(store, found, results)
    return 0


def _write_files(store: ResultsStore, results: list[Result], options: argparse.Namespace) -> int:
    """The page and the CSV that were asked for; says where they are."""
    from deepbayes.experiments.reporting.web.csv_file import csv_text
    from deepbayes.experiments.reporting.web.page import Content, html

    if options.html:
        file = options.to or options.output / "report.html"
        _write_text(file, html(Content(results, options.output, store.arrays, options.images)))
        say(visible(f"web page of {len(results)} results: {file}"))
    if options.csv:
        file = options.to or options.output / "report.csv"
        _write_text(file, csv_text(results))
        say(visible(f"CSV of {len(results)} results: {file}"))
    return 0


def _write_text(file: Path, text: str) -> None:
    with atomic(file) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def show_results(output: Path, results: Iterable[Result]) -> None:
    """As `show`, of the results store in this folder."""
    show(ResultsStore(output), results)


def show(store: ResultsStore, results: Iterable[Result], stored: Iterable[Result] | None = None) -> None:
    """Prints the tables of these results, in their order, and writes the files that they belong in.

    A file holds all results of the store that are of its group, whichever run made them. Where it cannot be written,
    a line says so.

    Args:
      stored: what the store holds; None reads it.
    """
    results = list(results)
    shown = pages(results, store.arrays)
    whole = pages(_same_runs(store, results) if stored is None else stored, store.arrays, all_clean=True)
    members, given = frozenset().union(*(page.members for page in shown)), frozenset(r.key for r in results)
    touched = [p for p in whole if p.members & members or (p.members & given and p.file(store.root).exists())]
    for page in shown:
        file = next((p for p in touched if page.members <= p.members), page).file(store.root)
        print_tables(page.tables, file)
    _write(touched, store.root)


def _same_runs(store: ResultsStore, results: list[Result]) -> list[Result]:
    """The results of the runs that these are of, with what the store has of them, in the usual order."""
    runs = {r.run._replace(samples=None) for r in results}
    datasets = dict.fromkeys(r.dataset for r in results)
    stored = (r for dataset in datasets for r in store.all(dataset) if r.run._replace(samples=None) in runs)
    return in_usual_order(({r.key: r for r in stored} | {r.key: r for r in results}).values())


def _write(written: Iterable[Page], root: Path) -> None:
    failed = []
    for page in written:
        file = page.file(root)
        try:
            with atomic(file) as temporary:
                temporary.write_text("\n".join(table.markdown() for table in page.tables), encoding="utf-8")
            drawn = [draw(page.file(root, end)) for end, draw in page.figures]
        except OSError as error:
            failed.append(f"{file} ({error.strerror or error})")
            continue
        if drawn:
            say(visible(f"tables: {file}, figures: " + ", ".join(map(str, drawn))))
    if failed:
        others = f", nor {len(failed) - 1} files more" if len(failed) > 1 else ""
        warn(visible(f"cannot write {failed[0]}{others}; the tables above are all there is"))
