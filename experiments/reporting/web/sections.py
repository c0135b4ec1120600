"""Sections of the page: an attack's tables and chart, and what stands in tables of its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.reporting.detection_tables import DetectionGroup, detection_tables, ood_tables
from deepbayes.experiments.reporting.figures import MARKERS
from deepbayes.experiments.reporting.grouping import (
    detection_groups,
    fields_of,
    groups,
    in_usual_order,
    ood_groups,
    transfer_groups,
)
from deepbayes.experiments.reporting.summary_tables import minimum_table
from deepbayes.experiments.reporting.tables import (
    AttackRun,
    Group,
    Run,
    Table,
    accuracy_table,
    checks_table,
    clean_table,
    success_table,
)
from deepbayes.experiments.reporting.transfer_tables import transfer_table
from deepbayes.experiments.reporting.web.charts import Panel, Point, panel
from deepbayes.experiments.reporting.web.ranking import Ranking
from deepbayes.experiments.reporting.web.rows import Row
from deepbayes.experiments.store.identity import namer
from deepbayes.experiments.store.result import ChecksResult, Result
from deepbayes.models.registry import place

Look = Callable[[str], tuple[int, str]]
"""A classifier's name -> the index of its colours, and its marker."""


@dataclass(frozen=True)
class Section:
    """A heading with its tables.

    Attributes:
      about: number of images, data set and protocol.
      tables: shown at once. panels: charts beside them.
      more: (summary, tables) that open.
    """

    title: str
    about: str
    tables: tuple[Table, ...]
    panels: tuple[Panel, ...] = ()
    more: tuple[tuple[str, tuple[Table, ...]], ...] = ()


def sections(results: Iterable[Result], look: Look) -> list[Section]:
    """By attack and run, in the registry's order; then transfers, other images and checks."""
    results = in_usual_order(results)
    detected = {_run_of(g): g for g in detection_groups(results) if not g.transfer}
    moved = [g for g in detection_groups(results) if g.transfer]
    evaluated = sorted(groups(results), key=_order)
    found = [_attack_section(g, detected.pop(_run_of(g), None), look) for g in evaluated if g.attack != "clean"]
    found += [_detection_section(g) for g in detected.values()]
    found += [_clean_section(g) for g in evaluated if g.attack == "clean"]
    for group in sorted(transfer_groups(results), key=_order):
        found.append(
            Section(
                f"{group.title}, transfer{group.how}, {group.label(group.value)}",
                _about(group),
                (transfer_table(group),),
            )
        )
    found += [
        _detection_section(g) for g in sorted(moved, key=lambda g: (*_order(g), place(g.chosen_guard), g.chosen_guard))
    ]
    found += [Section("Images of another kind", _about(g), tuple(ood_tables(g))) for g in ood_groups(results)]
    return found + list(_checks([r for r in results if isinstance(r, ChecksResult)]))


def _order(group: Run) -> tuple:
    names = list(ATTACKS)
    attack = getattr(group, "attack", "")
    place_of = names.index(attack) if attack in names else -1
    options = str((getattr(group, "changed", ()), getattr(group, "targeted", False)))
    through = getattr(group, "through", "")
    return (group.dataset, group.protocol, through, place_of, options, -group.n, group.samples or 0, group.seed,
            group.left_out)  # fmt: skip


def _run_of(group: AttackRun) -> tuple:
    return (group.attack, group.targeted, group.changed, group.through, group.dataset, group.protocol, group.samples,
            group.seed, group.n, group.left_out)  # fmt: skip


def _about(group: Run) -> str:
    k = f", K = {group.samples}" if group.samples else ""
    seed = f", seed {group.seed}" if group.seed else ""
    return f"{group.n:,} test images of {group.dataset}, protocol {group.protocol}{k}{seed}"


def _attack_section(group: Group, detected: DetectionGroup | None, look: Look) -> Section:
    minimum = minimum_table(group)
    beside = (success_table(group), *([minimum] if minimum else []))
    more = [_opening(detected)] if detected else []
    more += [("Success and perturbation" if minimum else "Success", beside)]
    title = f"{group.title}{', targeted' if group.targeted else ''}{group.how}"
    return Section(title, _about(group), (accuracy_table(group),), _panels(group, look), tuple(more))


def _detection_section(group: DetectionGroup) -> Section:
    guard = f", detected by {group.chosen_guard}" if group.transfer else ", detection"
    return Section(f"{group.title}{group.how}{guard}", _about(group), (), (), (_opening(group),))


def _opening(group: DetectionGroup) -> tuple[str, tuple[Table, ...]]:
    """Tables of detection under their summary."""
    tables = tuple(detection_tables(group))
    return f"Detection: {len(tables)} tables", tables


def _clean_section(group: Group) -> Section:
    return Section("Clean images", _about(group), (clean_table(group),))


def _checks(results: list[ChecksResult]) -> Iterable[Section]:
    name_of = namer(results)
    for result in results:
        run, name = Run(**fields_of(result.run)), name_of(result.settings, result.classifier)
        yield Section(f"Checks of {name}", _about(run), (checks_table(result, run, name),))


def _panels(group: Group, look: Look) -> tuple[Panel, ...]:
    """Accuracy by budget, and the paper's on the same axes where it has figures."""
    own, papers = [], []
    attack = ATTACKS[group.attack]
    for name in group.victims:
        own.append((name, *look(name), [Point(value, *_percent(rate)) for value, rate in group.curve(name)]))
        papers.append((name, *look(name), [Point(*point) for point in group.paper_curve(name)]))
    budgets = sorted({p.x for _, _, _, points in own for p in points})
    if len(budgets) < 2:
        return ()
    label, logarithmic = f"{group.parameter} ({attack.meaning})", attack.neutral is None and min(budgets) > 0
    found = [panel("This port", own, label, budgets, logarithmic)]
    if any(p.x != attack.neutral for *_, points in papers for p in points):
        drawn = [line for line in papers if line[3]]
        found.append(panel("The paper", drawn, label, budgets, logarithmic))
    return tuple(found)


def _percent(rate) -> tuple[float, float, float]:
    return 100 * rate.rate, 100 * rate.low, 100 * rate.high


def chart_of_ranking(ranking: Ranking, look: Look) -> Panel:
    """Worst-case accuracy by eps, where the same number of attacks was run."""
    lines = []
    for c in ranking.classifiers:
        cases = {eps: c.by_eps[eps] for eps in ranking.compared if eps in c.by_eps}
        points = [Point(eps, *_percent(case.accuracy)) for eps, case in cases.items()]
        lines.append((c.name, *look(c.name), points))
    return panel("Worst case over attacks", lines, f"eps ({ATTACKS['pgd'].meaning})", ranking.compared)


_MOST_LINES = len(MARKERS)


def charts_of_classifier(rows: Sequence[Row], look: int) -> list[Panel]:
    """Accuracy by eps, a line an attack with two budgets or more, a chart a data set and protocol."""
    found: dict[tuple, dict[str, list[Point]]] = {}
    for row in rows:
        s = row.stored
        if row.result is None or row.parameter != "eps" or s.through == "transfer":
            continue
        k = f", K = {s.samples}" if s.samples not in (10, None) else ""
        seed = f", seed {s.seed}" if s.seed else ""
        label = f"{row.attack}{', ' if row.options else ''}{row.options} (n = {s.n:,}{k}{seed})"
        lines = found.setdefault((row.dataset, s.protocol), {})
        lines.setdefault(label, []).append(Point(row.value, *_percent(row.accuracy)))
    charts = []
    for (dataset, protocol), lines in found.items():
        shown = [(label, points) for label, points in lines.items() if len(points) > 1][:_MOST_LINES]
        if shown:
            x = sorted({p.x for _, points in shown for p in points})
            drawn = [(label, look, MARKERS[k], points) for k, (label, points) in enumerate(shown)]
            charts.append(panel(f"Accuracy on {dataset}, protocol {protocol}", drawn, "eps", x))
    return charts
