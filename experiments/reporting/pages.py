"""Results as pages: the tables of a group, which stand in one Markdown file, and the figures beside it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from deepbayes.experiments.reporting.detection_tables import DetectionGroup, OodGroup, detection_tables, ood_tables
from deepbayes.experiments.reporting.grouping import detection_groups, fields_of, groups, ood_groups, transfer_groups
from deepbayes.experiments.reporting.summary_tables import minimum_table, worst_case_tables
from deepbayes.experiments.reporting.tables import (
    Group,
    Run,
    Table,
    accuracy_table,
    checks_table,
    clean_table,
    success_table,
)
from deepbayes.experiments.reporting.transfer_tables import TransferGroup, transfer_table
from deepbayes.experiments.store.identity import namer
from deepbayes.experiments.store.names import safe_stem
from deepbayes.experiments.store.result import ChecksResult, Result

Arrays = Callable[[Result], dict[str, np.ndarray]]
"""A result -> its stored arrays, {} where they are missing."""


@dataclass(frozen=True)
class Page:
    """The tables and figures of one group of results.

    Attributes:
      dataset: the folder of its files. stem: their name.
      members: keys of the results that it is of.
      figures: (end of the file name, draws into a file).
    """

    dataset: str
    stem: str
    tables: list[Table]
    members: frozenset[str]
    figures: tuple[tuple[str, Callable[[Path], Path]], ...] = ()

    def file(self, root: Path, end: str = ".md") -> Path:
        return root / safe_stem(self.dataset) / f"{safe_stem(self.stem)}{end}"


def pages(results: Iterable[Result], arrays: Arrays, all_clean: bool = False) -> list[Page]:
    """Everything that results have to show. `all_clean` is that of `groups`."""
    results = list(results)
    evaluated = groups(results, all_clean)
    return [
        *_checks_pages([r for r in results if isinstance(r, ChecksResult)]),
        *(_group_page(g, arrays) for g in evaluated),
        *_worst_case_pages(evaluated),
        *map(_transfer_page, transfer_groups(results)),
        *(_detection_page(g, arrays) for g in detection_groups(results)),
        *map(_ood_page, ood_groups(results)),
    ]


def _keys(results: Iterable[Result]) -> frozenset[str]:
    return frozenset(result.key for result in results)


def _figure(module: str, function: str, group, *arguments) -> Callable[[Path], Path]:
    """Draws when called: matplotlib is imported by whoever draws."""

    def draw(file: Path) -> Path:
        return getattr(import_module(f"deepbayes.experiments.reporting.{module}"), function)(group, *arguments, file)

    return draw


def _checks_pages(results: list[ChecksResult]) -> list[Page]:
    """A page a classifier and those beside it."""
    name_of, found = namer(results), []
    for result in results:
        run, beside = Run(**fields_of(result.run)), result.settings.get("beside", [])
        name = name_of(result.settings, result.classifier)
        names = (re.sub(r"\W+", "-", n) for n in (name, *(["beside", *beside] if beside else [])))
        table = checks_table(result, run, name)
        found.append(Page(run.dataset, run.stem_of("checks", *names), [table], _keys([result])))
    return found


def _group_page(group: Group, arrays: Arrays) -> Page:
    if group.attack == "clean":
        members = _keys(clean for clean, _ in group.victims.values())
        return Page(group.dataset, group.stem, [clean_table(group)], members)
    minimum = minimum_table(group)
    tables = [accuracy_table(group), success_table(group), *([minimum] if minimum else [])]
    draw = partial(_figure, "figures")
    figures = (".png", draw("accuracy_by_eps", group)), ("_examples.png", draw("example_strip", group, arrays))
    return Page(group.dataset, group.stem, tables, _attacked(group), figures)


def _attacked(group: Group) -> frozenset[str]:
    return _keys(result for _, by_value in group.victims.values() for result in by_value.values())


def _worst_case_pages(found: list[Group]) -> list[Page]:
    return [
        Page(members[0].dataset, members[0].stem_of("worst_case"), [table], frozenset().union(*map(_attacked, members)))
        for members, table in worst_case_tables(found)
    ]


def _transfer_page(group: TransferGroup) -> Page:
    figures = ((".png", _figure("figures", "heat_map", group)),)
    return Page(group.dataset, group.stem, [transfer_table(group)], _keys(group.cells.values()), figures)


def _detection_page(group: DetectionGroup, arrays: Arrays) -> Page:
    draw = partial(_figure, "detection_figures")
    figures = (
        (".png", draw("detection_by_eps", group)),
        ("_histograms.png", draw("histograms", group, arrays)),
        ("_roc.png", draw("roc_curves", group, arrays)),
    )
    members = _keys(result for by_value in group.guards.values() for result in by_value.values())
    return Page(group.dataset, group.stem, detection_tables(group), members, figures)


def _ood_page(group: OodGroup) -> Page:
    members = _keys(result for by_kind in group.guards.values() for result in by_kind.values())
    return Page(group.dataset, group.stem, ood_tables(group), members)
