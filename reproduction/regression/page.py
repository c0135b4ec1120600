"""The page of a regression: its tables, scatter plots and the paper's figures in one self-contained HTML file."""

import base64
import html
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from deepbayes.experiments.reporting.figures import colour_key, save, style
from deepbayes.experiments.reporting.tables import Table
from deepbayes.reference.published import PAPER_CLASSIFIERS
from deepbayes.reproduction.collect import best
from deepbayes.reproduction.comparability import differs_from_the_paper
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, Comparison
from deepbayes.reproduction.figure import ATTACKS_OF, TRANSFER, draw

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


def page(comparisons: list[Comparison], where: str, shown: list[Table]) -> str:
    """The whole page: heading, tables, pictures behind the first table."""
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
    """This port's figures against the references by kind: accuracy, detection. Outside: a red ring; known: orange."""
    kinds = {
        "accuracy (%)": [c for c in comparisons if c.estimate.key.metric == "accuracy_percent"],
        "detection rate (%)": [c for c in comparisons if c.estimate.key.metric.startswith("tp_")],
    }
    kinds = {text: [c for c in of_kind if c.verdict != INCOMPARABLE] for text, of_kind in kinds.items()}
    kinds = {text: of_kind for text, of_kind in kinds.items() if of_kind}
    if not kinds:
        return []
    figure, axes = plt.subplots(1, len(kinds), figsize=(5.4 * len(kinds), 5), squeeze=False, layout="constrained")
    styles = style(list(PAPER_CLASSIFIERS))
    for axis, (text, of_kind) in zip(axes[0], kinds.items(), strict=True):
        axis.plot([0, 100], [0, 100], color="0.6", linewidth=1)
        for name in PAPER_CLASSIFIERS:
            if of_name := [c for c in of_kind if c.estimate.key.classifier == name]:
                axis.plot(*_coordinates(of_name), linestyle="", label=name, **styles[name])
        rings = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "linestyle": ""}
        for verdict, colour in ((OUTSIDE, "red"), (KNOWN, "darkorange")):
            if ringed := [c for c in of_kind if c.verdict == verdict]:
                axis.plot(*_coordinates(ringed), label=verdict, markeredgecolor=colour, **rings)
        axis.set(xlabel=f"reference: {text}", ylabel=f"this port: {text}", xlim=(-3, 103), ylim=(-3, 103))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, title=colour_key(list(PAPER_CLASSIFIERS)), title_fontsize=8)
    with tempfile.TemporaryDirectory() as folder:
        return [save(figure, Path(folder) / "picture.png").read_bytes(), *_papers_figures(comparisons, Path(folder))]


def _coordinates(comparisons: list[Comparison]) -> tuple[list[float], list[float]]:
    """Horizontally the references, vertically the estimates."""
    return [c.reference.value for c in comparisons], [c.estimate.value for c in comparisons]


def _papers_figures(comparisons: list[Comparison], folder: Path) -> list[bytes]:
    """The paper's figures as far as comparable results draw them."""
    comparable = [c.estimate for c in comparisons if c.verdict != INCOMPARABLE]
    estimates = best([e for e in comparable if not differs_from_the_paper(e)])
    names, places = list(PAPER_CLASSIFIERS), (*ATTACKS_OF, *TRANSFER)
    drawn = [draw(place, estimates, names, folder / f"{place}.png") for place in places]
    return [file.read_bytes() for file in drawn if file]
