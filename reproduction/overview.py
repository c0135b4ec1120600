"""`figure accuracy`, `figure detection`, `figure training`: what a reader takes in at a glance.

They are drawn from files of the project alone (results/reference, docs/results/training). Everybody's are alike.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from deepbayes import ROOT
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.reporting.figures import legend, save, style, training_curves
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.results import ResultsStore, settings_hash
from deepbayes.models.registry import CLASSIFIERS, GENERATIVE
from deepbayes.reference.published import PAPER_CLASSIFIERS, Key, published_values
from deepbayes.reproduction.collect import COMMITTED, accepted_estimates, best
from deepbayes.reproduction.estimates import Estimate

HISTORIES = ROOT / "docs" / "results" / "training"
"""Training histories of the shipped weights; an installed package comes without."""
_DATASET, _ATTACKS = "mnist", ("fgsm", "pgd")
_KL_AT = "eps=0.3"
_FONT = {"font.size": 14, "axes.titlesize": 15, "figure.titlesize": 16, "legend.fontsize": 14}
_WIDTH, _PERCENT, _APART = 11.8, (-3, 104), 6
"""Inches, at 130 dots an inch below 1,600 pixels; axis of percentages; percent between a labelled end and others."""


def overview(name: str, file: Path) -> Path:
    """Draws one of OVERVIEWS."""
    with plt.rc_context(_FONT if name != "training" else {}):
        return OVERVIEWS[name](file)


def accuracy(file: Path) -> Path:
    """Accuracy under FGSM and PGD by eps: seven classifiers, this port solid, the paper dashed."""
    figure, axes = plt.subplots(1, len(_ATTACKS), figsize=(_WIDTH, 6.2), sharey=True, layout="constrained")
    estimates, n = _estimates(), set()
    for axis, attack in zip(axes, _ATTACKS, strict=True):
        n |= _curves(axis, estimates, attack, "accuracy_percent", list(PAPER_CLASSIFIERS))
        axis.set(title=attack.upper(), xlabel="eps (largest change of a pixel in [0, 1])", ylim=_PERCENT)
        axis.set_xlim(right=0.58)
    axes[0].set_ylabel("accuracy (%)")
    legend(figure, list(PAPER_CLASSIFIERS))
    figure.suptitle(f"Accuracy under attack on MNIST\n{_lines(n)}")
    return save(figure, file)


def detection(file: Path) -> Path:
    """Detection by the density of x under FGSM and PGD; KL detection with the index fault of 2019 and without."""
    generative = [name for name in PAPER_CLASSIFIERS if CLASSIFIERS[name].group == GENERATIVE]
    figure, axes = plt.subplots(1, len(_ATTACKS) + 1, figsize=(_WIDTH, 6.2), sharey=True, layout="constrained")
    estimates, n = _estimates(), set()
    for axis, attack in zip(axes, _ATTACKS, strict=False):
        n |= _curves(axis, estimates, attack, "tp_marginal_percent", generative)
        axis.set(title=f"{attack.upper()}:\nrejected by -log p(x)", xlabel="eps", ylim=_PERCENT)
    axes[0].set_ylabel("successful attacks detected (%)")
    _index_fault(axes[-1], estimates)
    legend(figure, list(PAPER_CLASSIFIERS))
    figure.suptitle(f"Detection of successful attacks on MNIST\n{_lines(n)}")
    return save(figure, file)


def training(file: Path) -> Path:
    """The training of the shipped weights.

    Raises:
      UsageError: the histories are not there, in an installed package.
    """
    files = {name: HISTORIES / f"{name}.csv" for name in PAPER_CLASSIFIERS}
    if not all(f.exists() for f in files.values()):
        raise UsageError(f"the histories of training are not in {HISTORIES}; they come with the repository")
    return training_curves("mnist5k", {name: _history(f) for name, f in files.items()}, file)


OVERVIEWS: dict[str, Callable[[Path], Path]] = {"accuracy": accuracy, "detection": detection, "training": training}
"""Name on the command line -> draws into a file."""


def _estimates() -> dict[Key, Estimate]:
    return best(accepted_estimates(COMMITTED))


def _lines(n: set[int]) -> str:
    images = " to ".join(f"{count:,}" for count in sorted({min(n), max(n)}))
    return f"solid: this port, {images} test images, the paper's protocol; dashed: the paper, 10,000"


def _curves(axis, estimates: dict[Key, Estimate], attack: str, metric: str, names: list[str]) -> set[int]:
    """Curves over eps, with clean accuracy at 0; the numbers of images that this port's are based on."""
    paper, styles, grid, n = published_values(), style(names), DATASETS[_DATASET].eps_grid, set()
    for name in names:
        keys = {eps: Key(_DATASET, name, attack, f"eps={eps:g}", metric) for eps in grid}
        keys = {0.0: Key(_DATASET, name, "clean", "", metric)} | keys
        port = {eps: estimates[k] for eps, k in keys.items() if k in estimates and estimates[k].value is not None}
        n |= {estimate.settings["num_images"] for estimate in port.values()}
        look = styles[name] | {"markersize": 8, "linewidth": 2}
        axis.plot([*port], [e.value for e in port.values()], **look)
        published = {eps: paper[k] for eps, k in keys.items() if k in paper}
        axis.plot([*published], [*published.values()], "--", color=look["color"], linewidth=1.6)
    _label_ends(axis, names)
    axis.grid(alpha=0.3)
    return n


def _label_ends(axis, names: list[str]) -> None:
    """Names of the classifiers beside those ends of solid curves that no other is near to."""
    solid = [line for line in axis.get_lines() if line.get_linestyle() == "-"]
    ends = {name: (line.get_xydata()[-1], line.get_color()) for name, line in zip(names, solid, strict=True)}
    for name, ((x, y), colour) in ends.items():
        if all(other == name or abs(y - of[1]) > _APART for other, (of, _) in ends.items()):
            axis.annotate(
                name, (x, y), (9, 0), textcoords="offset points", va="center", color=colour, fontweight="bold"
            )


def _index_fault(axis, estimates: dict[Key, Estimate]) -> None:
    """KL detection of FGSM at eps 0.3 of each classifier: the paper, this port with 2019's index fault, and without.

    Without it every image is judged by its own statistic; the rate is over images, not 2019's mean over classes.
    """
    results = {r.key: r for r in ResultsStore(COMMITTED).all(_DATASET)}
    styles, paper = style(list(PAPER_CLASSIFIERS)), published_values()
    for place, name in enumerate(PAPER_CLASSIFIERS):
        key = Key(_DATASET, name, "fgsm", _KL_AT, "tp_kl_percent")
        own = results[settings_hash(estimates[key].settings)].detectors["kl"].tp
        axis.plot([place, place], [100 * own.rate, estimates[key].value], color="0.75", linewidth=1.5, zorder=1)
        axis.plot(place, paper[key], "_", color="black", markersize=16, markeredgewidth=2)
        axis.plot(place, estimates[key].value, **styles[name] | {"markersize": 9, "markerfacecolor": "white"})
        axis.plot(place, 100 * own.rate, **styles[name] | {"markersize": 9})
    grey = {"linestyle": "", "color": "0.3", "markersize": 9}
    handles = [
        plt.Line2D([], [], marker="_", label="the paper", **grey | {"markersize": 14, "markeredgewidth": 2}),
        plt.Line2D([], [], marker="o", label="this port, same index fault", markerfacecolor="white", **grey),
        plt.Line2D([], [], marker="o", label="this port, each image's\nown statistic", **grey),
    ]
    axis.legend(handles=handles, loc="lower center", fontsize=12)
    axis.set_xticks(range(len(PAPER_CLASSIFIERS)), PAPER_CLASSIFIERS, rotation=90, fontsize=12)
    axis.set(title="FGSM, eps 0.3:\nrejected by the KL statistic")
    axis.grid(alpha=0.3)


def _history(file: Path) -> list[dict]:
    """A training history as numbers; None where an epoch has no accuracy."""
    with open(file, newline="") as opened:
        return [{name: float(v) if v else None for name, v in row.items()} for row in csv.DictReader(opened)]
