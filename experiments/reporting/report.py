"""`report`, and the end of every attack: tables and figures from the results store, without computing anything."""

import argparse
import re
from pathlib import Path

from deepbayes.experiments.measurements.progress import print_tables, say
from deepbayes.experiments.reporting import detection_figures, figures
from deepbayes.experiments.reporting.detection_tables import DetectionGroup, detection_tables, ood_tables
from deepbayes.experiments.reporting.grouping import detection_groups, fields_of, groups, ood_groups, transfer_groups
from deepbayes.experiments.reporting.identity import namer, run_of
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
from deepbayes.experiments.reporting.transfer_tables import heat_map, transfer_table
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.files import atomic


def run(options: argparse.Namespace) -> int:
    store = ResultsStore(options.output)
    results = [r for r in store.all(options.dataset) if r["settings"]["protocol"]["name"] == options.protocol]
    if not results:
        raise UsageError(
            f"no results of protocol {options.protocol} in {options.output}; make some: ./run_experiments.sh fgsm"
        )
    show(store, results)
    return 0


def show_results(output: Path, results: list[dict]) -> None:
    """As `show`, of the results store in this folder."""
    show(ResultsStore(output), results)


def show(store: ResultsStore, results: list[dict]) -> None:
    """Prints and stores the tables and figures of these results."""
    other_images = [r for r in results if r["settings"]["attack"] == "ood"]
    detected = [r for r in results if "detection" in r["settings"] and r not in other_images]
    checks = [r for r in results if r["settings"]["attack"] == "checks"]
    name_of = namer(checks)
    for result in checks:
        run_fields, s = Run(**fields_of(run_of(result))), result["settings"]
        name, beside = name_of(s, s["victim"]), ["beside", *s["beside"]] if "beside" in s else []
        stem = run_fields.stem_of("checks", *(re.sub(r"\W+", "-", n) for n in (name, *beside)))
        _show_tables(store, run_fields.dataset, stem, [checks_table(result, run_fields, name)])
    attacked = [r for r in results if "detection" not in r["settings"] and r["settings"]["attack"] != "checks"]
    moved = transfer_groups(attacked)
    found = groups(attacked)
    for group in found:
        show_group(store, group)
    for group, table in worst_case_tables(found):
        victims = [] if group.samples else [name for name, *_ in table.rows]  # as Group.stem
        _show_tables(store, group.dataset, group.stem_of("worst_case", *victims), [table])
    for group in moved:
        _show_tables(store, group.dataset, group.stem, [transfer_table(group)])
        say(f"figure: {heat_map(group, store.root / group.dataset / f'{group.stem}.png')}")
    for group in detection_groups(detected):
        show_detection(store, group)
    for group in ood_groups(other_images):
        _show_tables(store, group.dataset, group.stem, ood_tables(group))


def show_group(store: ResultsStore, group: Group) -> None:
    folder = store.root / group.dataset
    shown = [clean_table(group)] if group.attack == "clean" else [accuracy_table(group), success_table(group)]
    only_right = PROTOCOLS[group.protocol].detection.only_right_before
    minimum = None if group.attack == "clean" else minimum_table(group, only_right)
    shown += [minimum] if minimum else []
    _show_tables(store, group.dataset, group.stem, shown)
    if group.attack == "clean":
        return
    files = [
        figures.accuracy_by_eps(group, folder / f"{group.stem}.png"),
        figures.example_strip(group, store.arrays, folder / f"{group.stem}_examples.png"),
    ]
    say(f"table: {folder / group.stem}.md, figures: " + ", ".join(str(f) for f in files))


def show_detection(store: ResultsStore, group: DetectionGroup) -> None:
    folder = store.root / group.dataset
    _show_tables(store, group.dataset, group.stem, detection_tables(group))
    files = [
        detection_figures.detection_by_eps(group, folder / f"{group.stem}.png"),
        detection_figures.histograms(group, store.arrays, folder / f"{group.stem}_histograms.png"),
        detection_figures.roc_curves(group, store.arrays, folder / f"{group.stem}_roc.png"),
    ]
    say(f"tables: {folder / group.stem}.md, figures: " + ", ".join(str(f) for f in files))


def _show_tables(store: ResultsStore, dataset: str, stem: str, shown: list[Table]) -> None:
    file = store.root / dataset / f"{stem}.md"
    with atomic(file) as temporary:
        temporary.write_text("\n".join(table.markdown() for table in shown))
    print_tables((table.rich() for table in shown), file)
