"""The reports of `regression`: tables, Markdown, one self-contained HTML page, JUnit XML."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from deepbayes.experiments.reporting.tables import Table
from deepbayes.experiments.settings.attack_plan import changed_options
from deepbayes.experiments.store.results import settings_hash
from deepbayes.models.files import atomic
from deepbayes.reproduction.comparability import IN_KEYS
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, WITHIN, Comparison
from deepbayes.reproduction.estimates import Estimate
from deepbayes.reproduction.paper_tables import IN_PIXELS
from deepbayes.reproduction.regression.page import page

_VERDICTS = (WITHIN, OUTSIDE, KNOWN, INCOMPARABLE)


def summary(comparisons: list[Comparison], where: str) -> Table:
    """How many figures of each attack and metric are within, outside, known to differ and not comparable."""
    counts: dict[tuple, Counter] = {}
    for c in comparisons:
        counts.setdefault(_kind(c.estimate), Counter())[c.verdict] += 1
    counts["all", "", ""] = Counter(c.verdict for c in comparisons)
    rows = [[" ".join(k for k in kind if k), *(str(n[v]) for v in _VERDICTS), _share(n)] for kind, n in counts.items()]
    caption = (
        f"{where}. Last column: in % of the comparable. Within: the difference is at most the 95 % error of both "
        "figures plus 1 point (clean accuracy), 6 (under attack) or 10 (detection rates). Others: see "
        "reproduction/compare.py. Known: outside, and explained in reference/known_differences.csv. tp: the share of "
        "successful attacks that a detector detects. min linf: the smallest eps that fools. from: the source model of "
        "a transfer."
    )
    return Table("Regression", ["", *_VERDICTS, "within, %"], rows, caption)


def _share(counts: Counter) -> str:
    comparable = counts[WITHIN] + counts[OUTSIDE] + counts[KNOWN]
    return f"{100 * counts[WITHIN] / comparable:.0f}" if comparable else "-"


def listings(comparisons: list[Comparison], gone: list[Estimate] = ()) -> list[Table]:
    """The figures outside, those known to be, why others are not comparable, what only the earlier results have."""
    tables = []
    for verdict in (OUTSIDE, KNOWN):
        if of_verdict := [c for c in comparisons if c.verdict == verdict]:
            tables.append(_brief(verdict.capitalize(), of_verdict))
    if reasons := Counter(c.reason for c in comparisons if c.verdict == KNOWN):
        rows = [[reason, str(n)] for reason, n in reasons.most_common()]
        tables.append(Table("Why known", ["why", "figures"], rows, "From reference/known_differences.csv."))
    reasons = Counter(c.reason for c in comparisons if c.verdict == INCOMPARABLE)
    if reasons:
        rows = [[reason, str(n)] for reason, n in reasons.most_common()]
        tables.append(Table("Not comparable", ["why", "figures"], rows, "Listed one by one in the reports."))
    if gone:
        rows = [[" ".join(kind), str(n)] for kind, n in Counter(map(_kind, gone)).items()]
        tables.append(
            Table("Only in the earlier results", ["", "figures"], rows, "These figures were not measured again.")
        )
    return tables


def _brief(title: str, comparisons: list[Comparison]) -> Table:
    """What fits a terminal."""
    rows = []
    for c, name in zip(comparisons, _names(comparisons), strict=True):
        shown = (c.estimate.value, ""), (c.reference.value, ""), (c.difference, "+"), (c.tolerance, "")
        rows.append([name, *(_number(c, value, sign) for value, sign in shown)])
    return Table(title, ["figure", "this port", "reference", "difference", "tolerance"], rows, "")


def _figures(title: str, comparisons: list[Comparison]) -> Table:
    heads = ["figure", "run", "this port", "95 %", "n", "reference", "difference", "tolerance", "source", "reason"]
    return Table(title, heads, [_row(c) for c in comparisons], "")


def _row(c: Comparison) -> list[str]:
    estimate = c.estimate
    interval = "-" if estimate.low is None else f"{_number(c, estimate.low)} - {_number(c, estimate.high)}"
    return [
        _name(c),
        _run(c),
        _number(c, estimate.value),
        interval,
        f"{estimate.n:,}",
        _number(c, c.reference.value),
        _number(c, c.difference, "+"),
        _number(c, c.tolerance),
        c.reference.source,
        c.reason,
    ]


def _number(c: Comparison, value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{3 if c.estimate.key.metric in IN_PIXELS else 1}f}"


def _kind(estimate: Estimate) -> tuple[str, str, str]:
    return estimate.settings["dataset"], estimate.key.attack, _short(estimate.key.metric)


def _name(c: Comparison) -> str:
    """With what of the attack is not usual, so that no two experiments share a name."""
    k, s = c.estimate.key, c.estimate.settings
    changed = changed_options(s) if s["attack"] != "clean" else {}
    unusual = ["targeted"] if s.get("targeted") else []
    unusual += [f"{n}={v}" for n, v in changed.items() if n not in IN_KEYS]
    parts = s["dataset"], k.classifier, k.attack, k.parameter, *unusual, _short(k.metric)
    return " ".join(part for part in parts if part)


def _names(comparisons: list[Comparison]) -> list[str]:
    """Each a name of its own, with the run where several runs measure the same."""
    count = Counter(map(_name, comparisons))
    return [f"{_name(c)} ({_run(c)})" if count[_name(c)] > 1 else _name(c) for c in comparisons]


def _run(c: Comparison) -> str:
    """What tells one of several figures by the same name."""
    s = c.estimate.settings
    return f"{s['protocol']['name']}, n = {s['num_images']}, seed {s['seed']}, {settings_hash(s)}"


def _short(metric: str) -> str:
    return metric.removesuffix("_percent").replace("_", " ").replace("student", "surrogate")


def write(comparisons: list[Comparison], gone: list[Estimate], where: str, stem: Path) -> list[Path]:
    """Writes stem.md, stem.html and stem.xml; returns them."""
    shown = [summary(comparisons, where), *listings(comparisons, gone)]
    for verdict in _VERDICTS:
        if of_verdict := [c for c in comparisons if c.verdict == verdict]:
            shown.append(_figures(f"Every figure {verdict}", of_verdict))
    files = [stem.with_suffix(suffix) for suffix in (".md", ".html", ".xml")]
    contents = "\n".join(t.markdown() for t in shown), page(comparisons, where, shown), _junit(comparisons, where)
    for file, content in zip(files, contents, strict=True):
        with atomic(file) as temporary:
            temporary.write_text(content)
    return files


def _junit(comparisons: list[Comparison], where: str) -> str:
    count = Counter(c.verdict for c in comparisons)
    suite = ElementTree.Element(
        "testsuite", name=f"regression: {where}", tests=str(len(comparisons)), failures=str(count[OUTSIDE]),
        skipped=str(count[KNOWN] + count[INCOMPARABLE]), errors="0",
    )  # fmt: skip
    for c, name in zip(comparisons, _names(comparisons), strict=True):
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{c.estimate.key.dataset}.{c.estimate.key.attack}", name=name
        )
        text = (
            f"this port {_number(c, c.estimate.value)} (n = {c.estimate.n}), reference {_number(c, c.reference.value)}"
        )
        if c.verdict in (OUTSIDE, KNOWN):
            text += f": {_number(c, c.difference, '+')}, tolerance {_number(c, c.tolerance)}"
        if c.verdict == OUTSIDE:
            ElementTree.SubElement(case, "failure", message=text)
        elif c.verdict == KNOWN:
            ElementTree.SubElement(case, "skipped", message=f"known: {c.reason}; {text}")
        elif c.verdict == INCOMPARABLE:
            ElementTree.SubElement(case, "skipped", message=c.reason)
        else:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
