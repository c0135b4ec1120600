"""A table of the paper, ours beside it: one table a metric, classifiers in rows, parameters in columns."""

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle

from deepbayes.experiments.reporting.tables import Table
from deepbayes.reference.published import PAPER_CLASSIFIERS, PARAMETER_NAMES, Key, Published
from deepbayes.reproduction.compare import INCOMPARABLE, OUTSIDE, Comparison, compare, papers_figures, reference_of
from deepbayes.reproduction.estimates import Estimate

METRICS = {
    "accuracy_percent": "accuracy, %",
    "student_accuracy_percent": "accuracy of the surrogate, %",
    "success_percent": "success, %",
    "tp_marginal_percent": "detected by marginal detection, % of successful attacks",
    "tp_logit_percent": "detected by logit detection, % of successful attacks",
    "tp_kl_percent": "detected by KL detection, % of successful attacks",
    "min_linf_mean": "mean minimum perturbation (Linf)",
    "min_linf_median": "median minimum perturbation (Linf)",
    "l2_mean": "mean L2 norm of successful perturbations",
}
IN_PIXELS = ("min_linf_mean", "min_linf_median", "l2_mean")
_MOST_COLUMNS = 7
_BETWEEN = " / "
_OUTSIDE = "!"
_NOT_ALIKE = "*†‡§"
"""Marks of cells that are not comparable, one a reason."""


def tables_of(place: str, figures: list[Published], estimates: dict[Key, Estimate], note: str = "") -> list[Table]:
    """The tables of one place in the paper, `note` behind each caption."""
    tables = []
    for metric, text in METRICS.items():
        of_metric = [f for f in figures if f.key.metric == metric]
        for group in _split(of_metric):
            table = _table(place, text, group, estimates)
            tables.append(replace(table, caption=f"{table.caption} {note}".strip()))
    return tables


def _split(figures: list[Published]) -> list[list[Published]]:
    """Groups of at most seven columns: by attack where there are more, then by what follows the first parameter."""
    if not figures:
        return []
    for by in (lambda k: (), lambda k: (k.dataset, k.attack), lambda k: (k.dataset, k.attack, _beside_budget(k))):
        groups: dict[tuple, list[Published]] = {}
        for figure in figures:
            groups.setdefault(by(figure.key), []).append(figure)
        if all(len(_columns(g)) <= _MOST_COLUMNS for g in groups.values()):
            break
    return list(groups.values())


def _beside_budget(key: Key) -> tuple:
    """What a parameter names beside the attack's budget."""
    return key.source, key.lambda_, *key.classifier_options.items()


def _column(figure: Published) -> tuple[str, str, str]:
    return figure.key.dataset, figure.key.attack_label, figure.key.parameter_label


def _columns(figures: list[Published]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys(map(_column, figures)))


def _table(place: str, text: str, figures: list[Published], estimates: dict[Key, Estimate]) -> Table:
    columns = _columns(figures)
    shared = [len({column[k] for column in columns}) == 1 for k in range(3)]
    by_cell = {(f.key.classifier, *_column(f)): f for f in figures}
    names = dict.fromkeys(f.key.classifier for f in figures)
    comparisons = {f.key: compare(estimates[f.key], reference_of(f)) for f in figures if f.key in estimates}
    measured = [c for c in comparisons.values() if c.estimate.value is not None]
    reasons = {c.reason for c in measured if c.verdict == INCOMPARABLE} | _reasons(f.key for f in figures)
    marks, rows = dict(zip(sorted(reasons), cycle(_NOT_ALIKE), strict=False)), []
    for name in [*(n for n in PAPER_CLASSIFIERS if n in names), *(n for n in names if n not in PAPER_CLASSIFIERS)]:
        in_row = [by_cell.get((name, *column)) for column in columns]
        rows.append([name, *("" if f is None else _cell(comparisons.get(f.key), f, marks) for f in in_row)])
    heads = [" ".join(part for part, same in zip(c, shared, strict=True) if not same) or "this port" for c in columns]
    common = [part for part, same in zip(columns[0], shared, strict=True) if same and part]
    title = f"{place}: {text} ({', '.join(common)})" if common else f"{place}: {text}"
    return Table(title, ["", *heads], rows, _caption(figures, measured, marks))


def _caption(figures: list[Published], measured: list[Comparison], marks: dict[str, str]) -> str:
    sources = "; ".join(dict.fromkeys(f.source for f in figures))
    caption = f"This port's figure with half its 95 % interval, the paper's figure, and the difference. {sources}."
    if measured:
        n = {c.estimate.settings["num_images"] for c in measured}
        images = f"{min(n):,}" if len(n) == 1 else f"{min(n):,} to {max(n):,}"
        protocols = sorted({c.estimate.settings["protocol"]["name"] for c in measured})
        caption += f" This port: {images} images, protocol {', '.join(protocols)}."
    digitised = sum(f.kind == "digitised" for f in figures)
    caption += f" {digitised} of the paper's figures were read off a plot." if digitised else ""
    caption += "".join(f" {mark} not comparable: {why}." for why, mark in marks.items())
    outside = any(c.verdict == OUTSIDE for c in measured)
    return caption + (f" {_OUTSIDE} outside the tolerance." if outside else "")


def _reasons(keys: Iterable[Key]) -> set[str]:
    """Why nothing should be held against some of these figures of the paper."""
    return {papers_figures()[key].why_not for key in keys} - {""}


def _cell(comparison: Comparison | None, figure: Published, marks: dict[str, str]) -> str:
    """ "62.0 +-3.1 / 74.5 (-12.5)!"; "- / 74.5" where there is nothing of ours, n/a where nothing could be measured."""
    digits = 3 if figure.key.metric in IN_PIXELS else 1
    if comparison is None or comparison.difference is None:
        why = reference_of(figure).why_not
        return f"{'-' if comparison is None else 'n/a'}{_BETWEEN}{figure.value:.{digits}f}{marks.get(why, '')}"
    estimate = comparison.estimate
    half = f" +-{estimate.half:.{digits}f}" if estimate.half else ""
    mark = _OUTSIDE if comparison.verdict == OUTSIDE else marks.get(comparison.reason, "")
    difference = f"({comparison.difference:+.{digits}f}){mark}"
    return f"{estimate.value:.{digits}f}{half}{_BETWEEN}{figure.value:.{digits}f} {difference}"


def in_lines(table: Table) -> Table:
    """For a terminal, where five columns of whole cells do not fit: ours above the paper's, one parameter a line."""
    names = "|".join(name.replace("_", " ") for name in PARAMETER_NAMES)
    heads = [re.sub(rf",? (?=({names}) )", "\n", head) for head in table.heads]
    rows = [[name, *(c.replace(_BETWEEN, "\n") for c in cells)] for name, *cells in table.rows]
    return replace(table, heads=heads, rows=rows, has_lines=True)
