"""The reports of `regression`: tables, Markdown, one self-contained HTML page, JUnit XML."""

import base64
import html
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from deepbayes.experiments.reporting.figures import save, style
from deepbayes.experiments.reporting.tables import Table
from deepbayes.experiments.settings.attack_plan import changed_options
from deepbayes.experiments.store.results import settings_hash
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from deepbayes.models.files import atomic
from deepbayes.reproduction.collect import best
from deepbayes.reproduction.comparability import IN_KEYS, differs_from_the_paper
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, WITHIN, Comparison
from deepbayes.reproduction.estimates import Measured
from deepbayes.reproduction.figure import ATTACKS_OF, TRANSFER, draw
from deepbayes.reproduction.paper_tables import IN_PIXELS

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 85em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .25em .7em; border-bottom: 1px solid #ddd }
td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td:first-child, th:first-child { text-align: left } td.text { text-align: left; white-space: normal; min-width: 20em }
tr.outside td { background: #fdeaea } tr.known td { background: #fff6dc }
caption, p.caption { color: #555; text-align: left }
img { max-width: 100% } h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em }
"""
_LINE = 60
"""Letters from which on a cell is text that wraps."""
_VERDICTS = (WITHIN, OUTSIDE, KNOWN, INCOMPARABLE)


def summary(comparisons: list[Comparison], where: str) -> Table:
    """How many figures of each attack and metric are within, outside, known to differ and not comparable."""
    counts: dict[tuple, Counter] = {}
    for c in comparisons:
        counts.setdefault(_kind(c.ours), Counter())[c.verdict] += 1
    counts["all", "", ""] = Counter(c.verdict for c in comparisons)
    rows = [[" ".join(k for k in kind if k), *(str(n[v]) for v in _VERDICTS), _share(n)] for kind, n in counts.items()]
    caption = (
        f"{where}; last column: of the comparable. Within: the difference is at most the 95 % error of both figures "
        "plus 1 point (clean accuracy), 6 (under attack) or 10 (detection rates); others as reproduction/compare.py "
        "says. Known: outside, and explained in reference/known_differences.csv. "
        "tp: the share of successful attacks that a detector notices; min linf: the smallest eps that fools; "
        "from: whose images a transfer moves."
    )
    return Table("Regression", ["", *_VERDICTS, "within, %"], rows, caption)


def _share(counts: Counter) -> str:
    comparable = counts[WITHIN] + counts[OUTSIDE] + counts[KNOWN]
    return f"{100 * counts[WITHIN] / comparable:.0f}" if comparable else "-"


def listings(comparisons: list[Comparison], gone: list[Measured] = ()) -> list[Table]:
    """The figures outside, those known to be, why others are not comparable, what only the earlier results have."""
    found = []
    for verdict in (OUTSIDE, KNOWN):
        if those := [c for c in comparisons if c.verdict == verdict]:
            found.append(_brief(verdict.capitalize(), those))
    if reasons := Counter(c.reason for c in comparisons if c.verdict == KNOWN):
        rows = [[reason, str(n)] for reason, n in reasons.most_common()]
        found.append(Table("Why known", ["why", "figures"], rows, "From reference/known_differences.csv."))
    reasons = Counter(c.reason for c in comparisons if c.verdict == INCOMPARABLE)
    if reasons:
        rows = [[reason, str(n)] for reason, n in reasons.most_common()]
        found.append(Table("Not comparable", ["why", "figures"], rows, "Listed one by one in the reports."))
    if gone:
        rows = [[" ".join(kind), str(n)] for kind, n in Counter(map(_kind, gone)).items()]
        found.append(Table("Only in the earlier results", ["", "figures"], rows, "Not measured again, so not held."))
    return found


def _brief(title: str, comparisons: list[Comparison]) -> Table:
    """What fits a terminal."""
    rows = []
    for c, name in zip(comparisons, _names(comparisons), strict=True):
        shown = (c.ours.value, ""), (c.reference.value, ""), (c.difference, "+"), (c.tolerance, "")
        rows.append([name, *(_number(c, value, sign) for value, sign in shown)])
    return Table(title, ["figure", "ours", "theirs", "difference", "tolerance"], rows, "")


def _figures(title: str, comparisons: list[Comparison]) -> Table:
    heads = ["figure", "run", "ours", "95 %", "n", "theirs", "difference", "tolerance", "source", "reason"]
    return Table(title, heads, [_row(c) for c in comparisons], "")


def _row(c: Comparison) -> list[str]:
    ours = c.ours
    interval = "-" if ours.low is None else f"{_number(c, ours.low)} - {_number(c, ours.high)}"
    return [
        _name(c),
        _run(c),
        _number(c, ours.value),
        interval,
        f"{ours.n:,}",
        _number(c, c.reference.value),
        _number(c, c.difference, "+"),
        _number(c, c.tolerance),
        c.reference.source,
        c.reason,
    ]


def _number(c: Comparison, value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{3 if c.ours.key.metric in IN_PIXELS else 1}f}"


def _kind(figure: Measured) -> tuple[str, str, str]:
    return figure.settings["dataset"], figure.key.attack, _short(figure.key.metric)


def _name(c: Comparison) -> str:
    """With what of the attack is not usual, so that no two experiments share a name."""
    k, s = c.ours.key, c.ours.settings
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
    s = c.ours.settings
    return f"{s['protocol']['name']}, n = {s['num_images']}, seed {s['seed']}, {settings_hash(s)}"


def _short(metric: str) -> str:
    return metric.removesuffix("_percent").replace("_", " ")


def write(comparisons: list[Comparison], gone: list[Measured], where: str, stem: Path) -> list[Path]:
    """Writes stem.md, stem.html and stem.xml; returns them."""
    shown = [summary(comparisons, where), *listings(comparisons, gone)]
    for verdict in _VERDICTS:
        if found := [c for c in comparisons if c.verdict == verdict]:
            shown.append(_figures(f"Every figure {verdict}", found))
    files = [stem.with_suffix(suffix) for suffix in (".md", ".html", ".xml")]
    contents = "\n".join(t.markdown() for t in shown), _page(comparisons, where, shown), _junit(comparisons, where)
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
            suite, "testcase", classname=f"{c.ours.key.dataset}.{c.ours.key.attack}", name=name
        )
        text = f"ours {_number(c, c.ours.value)} (n = {c.ours.n}), theirs {_number(c, c.reference.value)}"
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


def _page(comparisons: list[Comparison], where: str, shown: list[Table]) -> str:
    parts = ["<!doctype html><meta charset='utf-8'><title>Regression</title>", f"<style>{_STYLE}</style>"]
    parts.append(f"<h1>{html.escape(where)}</h1>")
    for k, table in enumerate(shown):
        parts.append(_html_table(table))
        if k == 0:
            parts += [_image(picture) for picture in _pictures(comparisons)]
    return "\n".join(parts)


def _html_table(table: Table) -> str:
    verdict = table.title.lower().split()[-1] if table.heads[0] == "figure" else ""
    row_class = f" class='{verdict}'" if verdict in (OUTSIDE, KNOWN) else ""
    head = "".join(f"<th>{html.escape(h)}</th>" for h in table.heads)
    lines = ["".join(map(_html_cell, row)) for row in table.rows]
    rows = "".join(f"<tr{row_class}>{line}</tr>" for line in lines)
    caption = f"<p class='caption'>{html.escape(table.caption)}</p>" if table.caption else ""
    return f"<h2>{html.escape(table.title)}</h2><table><tr>{head}</tr>{rows}</table>{caption}"


def _html_cell(cell: str) -> str:
    return f"<td{' class=text' if len(cell) > _LINE else ''}>{html.escape(cell)}</td>"


def _image(content: bytes) -> str:
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(content).decode()}'>"


def _pictures(comparisons: list[Comparison]) -> list[bytes]:
    """Ours against theirs, a point a figure, by kind: accuracy, detection; outside ringed in red, known in orange."""
    kinds = {
        "accuracy (%)": [c for c in comparisons if c.ours.key.metric == "accuracy_percent"],
        "detection rate (%)": [c for c in comparisons if c.ours.key.metric.startswith("tp_")],
    }
    kinds = {t: [c for c in found if c.verdict != INCOMPARABLE] for t, found in kinds.items()}
    kinds = {t: found for t, found in kinds.items() if found}
    if not kinds:
        return []
    figure, axes = plt.subplots(1, len(kinds), figsize=(5.4 * len(kinds), 5), squeeze=False)
    styles = style(list(SEVEN_NAMES))
    for axis, (text, found) in zip(axes[0], kinds.items(), strict=True):
        axis.plot([0, 100], [0, 100], color="0.6", linewidth=1)
        for name in SEVEN_NAMES:
            own = [c for c in found if c.ours.key.classifier == name]
            if own:
                theirs, ours = [c.reference.value for c in own], [c.ours.value for c in own]
                axis.plot(theirs, ours, linestyle="", label=name, **styles[name])
        rings = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "linestyle": ""}
        for verdict, colour in ((OUTSIDE, "red"), (KNOWN, "darkorange")):
            if ringed := [c for c in found if c.verdict == verdict]:
                theirs, ours = [c.reference.value for c in ringed], [c.ours.value for c in ringed]
                axis.plot(theirs, ours, label=verdict, markeredgecolor=colour, **rings)
        axis.set(xlabel=f"theirs: {text}", ylabel="ours", xlim=(-3, 103), ylim=(-3, 103))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    with tempfile.TemporaryDirectory() as folder:
        return [save(figure, Path(folder) / "picture.png").read_bytes(), *_papers_figures(comparisons, Path(folder))]


def _papers_figures(comparisons: list[Comparison], folder: Path) -> list[bytes]:
    """The paper's figures as far as comparable results draw them."""
    ours = best([c.ours for c in comparisons if c.verdict != INCOMPARABLE and not differs_from_the_paper(c.ours)])
    drawn = [draw(place, ours, list(SEVEN_NAMES), folder / f"{place}.png") for place in (*ATTACKS_OF, *TRANSFER)]
    return [file.read_bytes() for file in drawn if file]
