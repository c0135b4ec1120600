"""`figure 3`: a figure of the paper from stored results, the paper's own figures beside it on the same axes."""

import argparse
import shlex
from pathlib import Path
from textwrap import fill

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from deepbayes import PROGRAM
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.reporting.figures import legend, save, style
from deepbayes.experiments.reporting.transfer_tables import draw_rates
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.results import check_writable
from deepbayes.reference.published import PAPER_CLASSIFIERS, Key, Published, published, published_values
from deepbayes.reproduction.collect import accepted_estimates, best, figures_of
from deepbayes.reproduction.compare import INCOMPARABLE, compare, papers_figures
from deepbayes.reproduction.estimates import Estimate
from deepbayes.reproduction.overview import OVERVIEWS, overview
from deepbayes.reproduction.required_runs import steps_to, why_not_measured

ATTACKS_OF = {
    "Figure 3": ("mnist", ("fgsm", "pgd")),
    "Figure 4": ("plane_frog", ("fgsm", "pgd")),
    "Figure 5": ("mnist", ("cw",)),
    "Figure 7": ("plane_frog", ("cw",)),
    "Figure B.1": ("mnist", ("mim",)),
    "Figure B.2": ("plane_frog", ("mim",)),
}
"""What the paper's figures of curves show: data set and attacks."""
TRANSFER = ("Figure A.4", "Figure A.5")
_ROWS = ("accuracy_percent", "min_linf_mean", "l2_mean", "tp_marginal_percent", "tp_logit_percent", "tp_kl_percent")
_MATRICES = {
    "accuracy_percent": "accuracy (%) on images that fooled the source model",
    "tp_logit_percent": "logit detection (%) of images that fool the row",
}
_LABELS = ("accuracy (%)", "mean minimum Linf", "mean L2 of successes",
           *(f"detected by {d} (%)" for d in ("marginal", "logit", "KL")))  # fmt: skip


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    known = [*(p.removeprefix("Figure ") for p in (*ATTACKS_OF, *TRANSFER)), *OVERVIEWS]
    for name in options.names:
        if name not in known:
            listed = ", ".join(known)
            raise UsageError(f"Figure {name} is not one of those that are drawn here: {listed} (2 is `rings`)")
    for name in (n for n in options.names if n in OVERVIEWS):
        say(f"figure: {overview(name, options.output / 'paper' / f'{name}.png')}")
    _papers([f"Figure {name}" for name in options.names if name not in OVERVIEWS], options)
    return 0


def _papers(places: list[str], options: argparse.Namespace) -> None:
    """Draws figures of the paper, and says which results they lack."""
    if not places:
        return
    estimates, names = best(accepted_estimates(options.output)), options.classifiers or list(PAPER_CLASSIFIERS)
    for place in places:
        file = options.output / "paper" / f"{place.lower().replace(' ', '_')}.png"
        if draw(place, estimates, names, file):
            say(f"figure: {file}")
        else:
            say(f"{place}: no results to draw yet")
        wanted = [p for p in _shown(place, names) if not why_not_measured(p)]
        if missing := [p for p in wanted if p.key not in estimates]:
            say(f"{place} lacks {len(missing)} of {len(wanted)} figures; to make them:")
            for _, arguments in steps_to(missing, options.output):
                say(f"  {PROGRAM} {shlex.join(arguments)}")


def _shown(place: str, names: list[str]) -> list[Published]:
    """The paper's figures of this place that estimates are drawn beside, each once."""
    if place in TRANSFER:
        drawn = [p for p in figures_of(place) if not _none_right(p.key)]
    else:
        dataset, attacks = ATTACKS_OF[place]
        drawn = [p for p in published() if p.key.dataset == dataset and p.key.attack in attacks]
        drawn = [p for p in drawn if not p.key.classifier_options and p.key.largest is None]
    drawn = [p for p in drawn if {p.key.classifier, p.key.source or p.key.classifier} <= {*names}]
    return list({p.key: p for p in drawn if p.key.metric in _ROWS}.values())


def _none_right(key: Key) -> bool:
    """Whether that is the accuracy of a classifier on the images that fooled itself, which is 0 by definition."""
    return key.classifier == key.source and key.metric == "accuracy_percent"


def draw(place: str, estimates: dict[Key, Estimate], names: list[str], file: Path) -> Path | None:
    """The figure of this place, or None where no estimate belongs in it."""
    if place in TRANSFER:
        return _matrices(place, estimates, names, file)
    dataset, attacks = ATTACKS_OF[place]
    paper, wanted = published_values(), [p.key for p in _shown(place, names)]
    if not any(k in estimates and estimates[k].value is not None for k in wanted):
        return None
    rows = [(m, text) for m, text in zip(_ROWS, _LABELS, strict=True) if any(k.metric == m for k in wanted)]
    shape = len(rows), 2 * len(attacks)
    size = 3.6 * shape[1], 2.7 * shape[0] + 1
    figure, axes = plt.subplots(*shape, figsize=size, sharey="row", squeeze=False, layout="constrained")
    styles, unlike = style(names), _unlike(wanted, estimates)
    for column, attack in enumerate(attacks):
        for row, (metric, text) in enumerate(rows):
            keys = [k for k in wanted if k.attack == attack and k.metric == metric]
            port_axis, paper_axis = axes[row, 2 * column], axes[row, 2 * column + 1]
            _panel(port_axis, {k: estimates[k] for k in keys if k in estimates}, names, styles, unlike)
            _panel(paper_axis, {k: paper[k] for k in keys}, names, styles, unlike)
            _dress(port_axis, keys, names)
            _dress(paper_axis, keys, names)
            port_axis.set_xlim(paper_axis.get_xlim())
            if column == 0:
                port_axis.set_ylabel(text)
            if row == 0:
                port_axis.set_title(f"this port: {attack.upper()}")
                paper_axis.set_title(f"the paper: {attack.upper()}")
    legend(figure, names)
    drawn = [estimates[k] for k in wanted if k in estimates]
    title = _title(f"{place}: {dataset}; bars are 95 % intervals", drawn, unlike, " (hollow)")
    figure.suptitle(_wrapped(title, size[0]))
    return save(figure, file)


_LETTERS_AN_INCH = 11
"""Of a title."""


def _wrapped(title: str, inches: float) -> str:
    """Its lines no longer than the figure is wide."""
    return "\n".join(fill(line, int(inches * _LETTERS_AN_INCH)) for line in title.splitlines())


def _title(title: str, drawn: list[Estimate], unlike: dict[Key, str], mark: str = "") -> str:
    """With the images that estimates are based on, and why some are not comparable."""
    settings = [estimate.settings for estimate in drawn]
    n = sorted({s["num_images"] for s in settings})
    images = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    protocols = " and ".join(sorted({s["protocol"]["name"] for s in settings}))
    lines = [f"{title}; this port on {images} images, protocol {protocols}"]
    return "\n".join([*lines, *(f"not comparable{mark}: {why}" for why in sorted(set(unlike.values())))])


def _unlike(keys: list[Key], estimates: dict[Key, Estimate]) -> dict[Key, str]:
    """The estimates that should not be held against the paper's figures, and why."""
    measured = {k: estimates[k] for k in keys if k in estimates and estimates[k].value is not None}
    comparisons = {k: compare(estimate, papers_figures()[k]) for k, estimate in measured.items()}
    return {k: c.reason for k, c in comparisons.items() if c.verdict == INCOMPARABLE}


def _panel(axis, values: dict[Key, Estimate | float], names: list[str], styles: dict, unlike: dict[Key, str]) -> None:
    """Curves over the parameter, hollow where not comparable; a point a classifier for figures over a whole grid."""
    if not values:
        axis.text(0.5, 0.5, "not run", transform=axis.transAxes, ha="center", color="0.5")
    for place, name in enumerate(names):
        of_name = {k: v for k, v in values.items() if k.classifier == name}
        points = sorted((_x(k, place), *_triple(v), k in unlike) for k, v in of_name.items())
        points = [p for p in points if p[1] is not None]
        if not points:
            continue
        x, y, low, high, hollow = np.array(points, float).T
        line = {"linestyle": ""} if any(k.over_all_budgets for k in of_name) else {}
        axis.errorbar(x, y, yerr=[y - low, high - y], elinewidth=1, linewidth=1.2, **line, **styles[name])
        hollow = hollow.astype(bool)
        axis.plot(x[hollow], y[hollow], **styles[name], linestyle="", markerfacecolor="white", zorder=3)


def _dress(axis, keys: list[Key], names: list[str]) -> None:
    """Scales and labels, the same whether something was measured or not."""
    if any(k.over_all_budgets for k in keys):
        axis.set_xticks(range(len(names)), names, fontsize=9)
    elif any(k.budget and k.budget.name == "c" for k in keys):
        axis.set(xscale="log", xlabel="c")
    else:
        axis.set_xlabel("eps")
    if any(k.metric.endswith("percent") for k in keys):
        axis.set_ylim(-3, 103)
    axis.grid(alpha=0.3)


def _x(key: Key, place: int) -> float:
    """The budget; of a figure over all of them, which has a point a classifier, the classifier's place."""
    return key.budget.value if key.budget else place


def _triple(value: Estimate | float) -> tuple:
    """The figure and its 95 % interval, of no width where none is known."""
    if not isinstance(value, Estimate):
        return value, value, value
    return (value.value, value.low, value.high) if value.low is not None else (value.value,) * 3


def _matrices(place: str, estimates: dict[Key, Estimate], names: list[str], file: Path) -> Path | None:
    """Each classifier on images made against another: accuracy and logit detection, of this port and of the paper."""
    figures = figures_of(place)
    if not any(p.key in estimates for p in figures):
        return None
    attacks = list(dict.fromkeys((p.key.attack, p.key.budget) for p in figures))
    rows = [(metric, text) for metric, text in _MATRICES.items() if any(p.key.metric == metric for p in figures)]
    shape = len(rows), 2 * len(attacks)
    size = 4.2 * shape[1], 4.6 * shape[0]
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, layout="constrained")
    for column, (attack, budget) in enumerate(attacks):
        for row, (metric, text) in enumerate(rows):
            here = [p for p in figures if (p.key.attack, p.key.budget, p.key.metric) == (attack, budget, metric)]
            port = {p.key: estimates[p.key].value for p in here if p.key in estimates}
            sources = {key.source for key in port}
            port |= {p.key: 0.0 for p in here if p.key.source in sources and _none_right(p.key)}
            paper = {p.key: p.value for p in here}
            for beside, (whose, values) in enumerate((("this port", port), ("the paper", paper))):
                axis, name = axes[row, 2 * column + beside], attack.removeprefix("transfer_").upper()
                draw_rates(axis, _matrix(values, names), names)
                axis.set_title(f"{whose}: {name}, {budget.name} {budget.value:g}\n{text}", fontsize=10)
    drawn = [p.key for p in figures if p.key in estimates]
    title = f"{place}: each classifier (rows) on images crafted on a source model (columns)"
    title = _title(title, [estimates[k] for k in drawn], _unlike(drawn, estimates))
    figure.suptitle(_wrapped(title, size[0]))
    return save(figure, file)


def _matrix(values: dict[Key, float | None], names: list[str]) -> np.ndarray:
    """(classifier, source) -> value, NaN where there is none."""
    matrix = np.full((len(names), len(names)), np.nan)
    for key, value in values.items():
        if value is not None and key.classifier in names and key.source in names:
            matrix[names.index(key.classifier), names.index(key.source)] = value
    return matrix
