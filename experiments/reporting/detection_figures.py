"""Figures of detection results: rate by eps, histograms of the statistics, ROC curves."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist

from deepbayes.detect.registry import DETECTORS, Detector
from deepbayes.experiments.reporting.detection_tables import DetectionGroup
from deepbayes.experiments.reporting.figures import as_label, as_text, legend, save, style


def detection_by_eps(group: DetectionGroup, file: Path) -> Path:
    """A panel a detector: the rate of the tables with 95 % bands (over images); dashed, the paper's."""
    figure, axes = plt.subplots(
        1, len(DETECTORS), figsize=(3.4 * len(DETECTORS), 4.2), sharey=True, layout="constrained"
    )
    styles, dashed = style(list(group.guards)), False
    for axis, detector in zip(axes, DETECTORS, strict=True):
        for name, by_value in group.guards.items():
            points = [(e, r) for e, r in sorted(by_value.items()) if detector in r.detectors]
            points = [(e, r) for e, r in points if group.shown_rate(r, detector) is not None]
            if not points:
                continue
            x = [e for e, _ in points]
            shown = [group.shown_rate(r, detector) for _, r in points]
            axis.plot(x, shown, **styles[name])
            detected = [r.detectors[detector].tp for _, r in points]
            band = [100 * rate.low for rate in detected], [100 * rate.high for rate in detected]
            if not (group.class_averaged and DETECTORS[detector].by_class):
                axis.fill_between(x, *band, color=styles[name]["color"], alpha=0.12, linewidth=0)
            paper = [group.paper_rate(r, detector) for _, r in points]
            if None not in paper:
                axis.plot(x, paper, "--", color=styles[name]["color"], linewidth=1)
                dashed = True
        axis.set(title=DETECTORS[detector].title, xlabel=group.parameter, ylim=(-3, 103))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("successful attacks detected (%)")
    legend(figure, list(group.guards))
    figure.suptitle(_title(group) + ("; dashed: Li et al. 2019" if dashed else ""))
    return save(figure, file)


def histograms(group: DetectionGroup, arrays, file: Path) -> Path:
    """Rows of guards, columns of detectors: each statistic on clean test images and on successful attacks.

    Vertical lines are the thresholds, one for each class where the detector has several; results of older versions hold
    none.
    """
    names, value = list(group.guards), group.shown_value
    figure, axes = plt.subplots(
        len(names), len(DETECTORS), figsize=(3 * len(DETECTORS), 1.45 * len(names) + 1.4), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    drawn: dict[str, Artist] = {}
    for row, name in enumerate(names):
        result = group.guards[name].get(value)
        stored = arrays(result) if result else {}
        for column, detector in enumerate(DETECTORS.values()):
            axis = axes[row, column]
            axis.set_yticks([])
            axis.tick_params(labelsize=8)
            if row == 0:
                axis.set_title(f"{detector.formula}\n{detector.unit}", fontsize=9)
            if column == 0:
                axis.set_ylabel(as_label(name), fontsize=10)
            if f"{detector.name}_clean" in stored:
                drawn |= _histogram(axis, detector, stored)
            else:
                axis.text(0.5, 0.5, "N/A", ha="center", va="center", transform=axis.transAxes, color="grey")
                axis.set_xticks([])
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", fontsize=10, ncols=3, frameon=False)
    title = f"{_title(group)}, {group.label(value)}. Share of the images by statistic; the outer bins hold all beyond"
    figure.suptitle(title, fontsize=11)
    return save(figure, file)


def _histogram(axis, detector: Detector, stored: dict[str, np.ndarray]) -> dict[str, Artist]:
    """One panel; label -> what it stands beside in the legend."""
    clean, attacked = stored[f"{detector.name}_clean"], stored[f"{detector.name}_attacked"][stored["success"]]
    both = np.concatenate([clean, attacked])
    if detector.needs_density:
        bins = np.linspace(both.min(), max(np.quantile(both, 0.99), both.min() + 1e-3), 40)
    else:  # a distance of posteriors spans orders of magnitude
        bins = np.geomspace(_SMALLEST, max(both.max(), 2 * _SMALLEST), 40)
        axis.set_xscale("log")
    drawn = {"clean test images": _bars(axis, clean, bins, color="tab:green")}
    if len(attacked):
        drawn["successful attacks"] = _bars(axis, attacked, bins, color="tab:red")
    thresholds = np.unique(np.clip(stored.get(f"{detector.name}_thresholds", []), bins[0], bins[-1]))
    for threshold in thresholds:
        width = 1.6 if len(thresholds) == 1 else 0.7
        line = axis.axvline(threshold, color="black", linestyle="--", linewidth=width)
        drawn["threshold, of each class where there are several"] = line
    return drawn


_SMALLEST = 1e-5
"""Where the axis of a distance of posteriors begins."""


def _bars(axis, values: np.ndarray, bins: np.ndarray, **how) -> Artist:
    """The share of the values in each bin."""
    weights = np.full(len(values), 1 / len(values))
    *_, bars = axis.hist(np.clip(values, bins[0], bins[-1]), bins, weights=weights, alpha=0.6, **how)
    return bars[0]


_LARGEST_FALSE_RATE = 10
"""Where the axis of the ROC curves ends, in percent: nobody runs a detector that rejects more clean images."""
_FALSE_RATES, _MARKED = (0.1, 0.2, 0.5, 1, 2, 5, 10), (1, 5, 10)
"""Ticks of that axis, and where curves have markers."""


def roc_curves(group: DetectionGroup, arrays, file: Path) -> Path:
    """A panel a detector, a curve a guard: successful attacks at the middle eps against clean test images.

    The axis of false positives is logarithmic, from one of the clean test images on, and ends at 10 %.
    """
    from deepbayes.detect.metrics import roc  # imports scikit-learn

    figure, axes = plt.subplots(
        1, len(DETECTORS), figsize=(3.4 * len(DETECTORS), 4.2), sharey=True, layout="constrained"
    )
    styles, value, least = style(list(group.guards)), group.shown_value, min(100 / group.n, 1)
    for axis, detector in zip(axes, DETECTORS, strict=True):
        for name, by_value in group.guards.items():
            stored = arrays(by_value[value]) if value in by_value else {}
            if f"{detector}_score_clean" not in stored or not stored["success"].any():
                continue
            attacked = stored[f"{detector}_score_attacked"][stored["success"]]
            false, true = roc(stored[f"{detector}_score_clean"], attacked)
            at = np.union1d(np.geomspace(least, _LARGEST_FALSE_RATE, 200), _MARKED)
            # a curve of steps: the last point that is not beyond
            steps = np.searchsorted(100 * np.asarray(false), at * (1 + 1e-9), side="right") - 1
            axis.plot(
                at, 100 * np.asarray(true)[steps], **styles[name], markevery=np.searchsorted(at, _MARKED).tolist()
            )
        axis.plot(at_random := np.geomspace(least, _LARGEST_FALSE_RATE), at_random, ":", color="grey", linewidth=1)
        axis.set(title=DETECTORS[detector].title, xscale="log", xlim=(least, _LARGEST_FALSE_RATE), ylim=(-3, 103))
        ticks = [rate for rate in _FALSE_RATES if rate >= least]
        axis.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
        axis.set_xticks([], minor=True)
        axis.set_xlabel("clean test images rejected (%)")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("successful attacks detected (%)")
    legend(figure, list(group.guards))
    figure.suptitle(f"{_title(group)}, {group.label(value)}; dotted: rejecting at random")
    return save(figure, file)


def _title(group: DetectionGroup) -> str:
    return as_text(f"{group.attack.upper()} on {group.dataset}, {group.n:,} images, protocol {group.protocol}")
