"""`figure 3`: a figure of the paper from stored results, the paper's own figures beside it on the same axes."""

import argparse
import shlex
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from deepbayes.experiments.measurements.context import check_writable
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.reporting.figures import save, style
from deepbayes.experiments.reporting.transfer_tables import draw_rates
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from deepbayes.reference.published import Key, Published, published, published_values
from deepbayes.reproduction.collect import best, figures_of, figures_that_count
from deepbayes.reproduction.compare import INCOMPARABLE, compare, papers_figures
from deepbayes.reproduction.estimates import Measured
from deepbayes.reproduction.required_runs import why_not
from deepbayes.reproduction.steps import steps_to

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
    "accuracy_percent": "accuracy (%) on images that fooled the column's",
    "tp_logit_percent": "logit detection (%) of images that fool the row's",
}
_LABELS = ("accuracy (%)", "mean minimum Linf", "mean L2 of successes",
           *(f"noticed by {d} (%)" for d in ("marginal", "logit", "KL")))  # fmt: skip


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    known = [*ATTACKS_OF, *TRANSFER]
    for name in options.names:
        if f"Figure {name}" not in known:
            listed = ", ".join(p.removeprefix("Figure ") for p in known)
            raise UsageError(f"Figure {name} is not one of those that are drawn here: {listed} (2 is `rings`)")
    ours, names = best(figures_that_count(options.output)), options.classifiers or list(SEVEN_NAMES)
    for place in (f"Figure {name}" for name in options.names):
        file = options.output / "paper" / f"{place.lower().replace(' ', '_')}.png"
        if draw(place, ours, names, file):
            say(f"figure: {file}")
        else:
            say(f"{place}: no results to draw yet")
        wanted = [p for p in _shown(place, names) if not why_not(p)]
        if missing := [p for p in wanted if p.key not in ours]:
            say(f"{place} lacks {len(missing)} of {len(wanted)} figures; to make them:")
            for _, arguments in steps_to(missing, options.output):
                say(f"  ./run_experiments.sh {shlex.join(arguments)}")
    return 0


def _shown(place: str, names: list[str]) -> list[Published]:
    """The paper's figures that a figure of ours stands beside, each once."""
    if place in TRANSFER:
        own = lambda k: k.classifier == k.parts["from"] and k.metric == "accuracy_percent"  # noqa: E731
        found = [p for p in figures_of(place) if not own(p.key)]
    else:
        dataset, attacks = ATTACKS_OF[place]
        found = [p for p in published() if p.key.dataset == dataset and p.key.attack in attacks]
        found = [p for p in found if "dim_z" not in p.key.parameter and not p.key.parameter.startswith("eps<=")]
    parties = lambda k: {k.classifier, k.parts.get("from", k.classifier)}  # noqa: E731
    return list({p.key: p for p in found if parties(p.key) <= {*names} and p.key.metric in _ROWS}.values())


def draw(place: str, ours: dict[Key, Measured], names: list[str], file: Path) -> Path | None:
    """The figure of this place, or None where no result of ours belongs in it."""
    if place in TRANSFER:
        return _matrices(place, ours, names, file)
    dataset, attacks = ATTACKS_OF[place]
    paper, wanted = published_values(), [p.key for p in _shown(place, names)]
    if not any(k in ours and ours[k].value is not None for k in wanted):
        return None
    rows = [(m, text) for m, text in zip(_ROWS, _LABELS, strict=True) if any(k.metric == m for k in wanted)]
    shape = len(rows), 2 * len(attacks)
    figure, axes = plt.subplots(*shape, figsize=(3.6 * shape[1], 2.7 * shape[0]), sharey="row", squeeze=False)
    styles, unlike = style(names), _unlike(wanted, ours)
    for column, attack in enumerate(attacks):
        for row, (metric, text) in enumerate(rows):
            keys = [k for k in wanted if k.attack == attack and k.metric == metric]
            mine, theirs = axes[row, 2 * column], axes[row, 2 * column + 1]
            _panel(mine, {k: ours[k] for k in keys if k in ours}, names, styles, unlike)
            _panel(theirs, {k: paper[k] for k in keys}, names, styles, unlike)
            _dress(mine, keys, names)
            _dress(theirs, keys, names)
            mine.set_xlim(theirs.get_xlim())
            if column == 0:
                mine.set_ylabel(text)
            if row == 0:
                mine.set_title(f"this port: {attack.upper()}")
                theirs.set_title(f"the paper: {attack.upper()}")
    handles = [plt.Line2D([], [], label=n, **styles[n]) for n in names]
    figure.legend(handles=handles, loc="upper center", ncols=len(names), bbox_to_anchor=(0.5, 0.0), frameon=False)
    drawn = [k for k in wanted if k in ours]
    figure.suptitle(_title(f"{place}: {dataset}; bars are 95 % intervals", drawn, ours, unlike, " (hollow)"), y=1.0)
    figure.tight_layout()
    return save(figure, file)


def _title(title: str, drawn: list[Key], ours: dict[Key, Measured], unlike: dict[Key, str], mark: str = "") -> str:
    """With what ours stand on, and why some of it is not like for like."""
    settings = [ours[key].settings for key in drawn]
    n = sorted({s["num_images"] for s in settings})
    stands = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    protocols = " and ".join(sorted({s["protocol"]["name"] for s in settings}))
    lines = [f"{title}; ours on {stands} images, protocol {protocols}"]
    return "\n".join([*lines, *(f"not like for like{mark}: {why}" for why in sorted(set(unlike.values())))])


def _unlike(keys: list[Key], ours: dict[Key, Measured]) -> dict[Key, str]:
    """Those of ours that should not be held against the paper's, and why."""
    found = {k: compare(ours[k], papers_figures()[k]) for k in keys if k in ours and ours[k].value is not None}
    return {k: c.reason for k, c in found.items() if c.verdict == INCOMPARABLE}


def _panel(axis, values: dict[Key, Measured | float], names: list[str], styles: dict, unlike: dict[Key, str]) -> None:
    """Curves over the parameter, hollow where not like for like; a point a classifier for figures over a whole grid."""
    if not values:
        axis.text(0.5, 0.5, "not run", transform=axis.transAxes, ha="center", color="0.5")
    for place, name in enumerate(names):
        own = {k: v for k, v in values.items() if k.classifier == name}
        points = sorted((_x(k, place), *_triple(v), k in unlike) for k, v in own.items())
        points = [p for p in points if p[1] is not None]
        if not points:
            continue
        x, y, low, high, hollow = np.array(points, float).T
        whole = any(k.parameter.startswith("all") for k in own)
        line = {"linestyle": ""} if whole else {}
        axis.errorbar(x, y, yerr=[y - low, high - y], elinewidth=1, linewidth=1.2, **line, **styles[name])
        hollow = hollow.astype(bool)
        axis.plot(x[hollow], y[hollow], **styles[name], linestyle="", markerfacecolor="white", zorder=3)


def _dress(axis, keys: list[Key], names: list[str]) -> None:
    """Scales and labels, the same whether something was measured or not."""
    if any(k.parameter.startswith("all") for k in keys):
        axis.set_xticks(range(len(names)), names, fontsize=7)
    elif any(k.parameter.startswith("c=") for k in keys):
        axis.set(xscale="log", xlabel="c")
    else:
        axis.set_xlabel("eps")
    if any(k.metric.endswith("percent") for k in keys):
        axis.set_ylim(-3, 103)
    axis.grid(alpha=0.3)


def _x(key: Key, place: int) -> float:
    return place if not key.parts else float(next(iter(key.parts.values())))


def _triple(value: Measured | float) -> tuple:
    """The figure and its 95 % interval, of no width where none is known."""
    if not isinstance(value, Measured):
        return value, value, value
    return (value.value, value.low, value.high) if value.low is not None else (value.value,) * 3


def _matrices(place: str, ours: dict[Key, Measured], names: list[str], file: Path) -> Path | None:
    """Each classifier on images made against another: accuracy, and what logit detection notices; ours, the paper's."""
    figures = figures_of(place)
    if not any(p.key in ours for p in figures):
        return None
    attacks = list(dict.fromkeys((p.key.attack, p.key.parts["eps"]) for p in figures))
    rows = [(metric, text) for metric, text in _MATRICES.items() if any(p.key.metric == metric for p in figures)]
    shape = len(rows), 2 * len(attacks)
    figure, axes = plt.subplots(*shape, figsize=(4.2 * shape[1], 4.6 * shape[0]), squeeze=False)
    for column, (attack, eps) in enumerate(attacks):
        for row, (metric, text) in enumerate(rows):
            here = [p for p in figures if (p.key.attack, p.key.parts["eps"], p.key.metric) == (attack, eps, metric)]
            mine = {p.key: ours[p.key].value for p in here if p.key in ours}
            if metric == "accuracy_percent":  # of what fooled a classifier it gets none right
                made = {key.parts["from"] for key in mine}
                mine |= {p.key: 0.0 for p in here if p.key.classifier == p.key.parts["from"] in made}
            for beside, (whose, values) in enumerate(
                (("this port", mine), ("the paper", {p.key: p.value for p in here}))
            ):
                axis = axes[row, 2 * column + beside]
                draw_rates(axis, _matrix(values, names), names)
                axis.set_title(f"{whose}: {attack.removeprefix('transfer_').upper()}, eps {eps}\n{text}", fontsize=10)
    drawn = [p.key for p in figures if p.key in ours]
    title = f"{place}: each classifier (rows) on images made against another (columns)"
    figure.suptitle(_title(title, drawn, ours, _unlike(drawn, ours)), y=1.0)
    figure.tight_layout()
    return save(figure, file)


def _matrix(values: dict[Key, float | None], names: list[str]) -> np.ndarray:
    """(classifier, source) -> value, NaN where there is none."""
    matrix = np.full((len(names), len(names)), np.nan)
    for key, value in values.items():
        source = key.parts["from"]
        if value is not None and key.classifier in names and source in names:
            matrix[names.index(key.classifier), names.index(source)] = value
    return matrix
