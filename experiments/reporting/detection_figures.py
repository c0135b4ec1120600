"""Figures of detection results: rate by eps, histograms of the statistics, ROC curves."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.reporting.detection_tables import DetectionGroup
from deepbayes.experiments.reporting.figures import as_label, save, style


def detection_by_eps(group: DetectionGroup, file: Path) -> Path:
    """A panel a detector: the rate of the tables with 95 % bands (over images); dashed, the paper's."""
    figure, axes = plt.subplots(1, len(DETECTORS), figsize=(4 * len(DETECTORS), 3.8), sharey=True)
    styles, dashed = style(list(group.guards)), False
    for axis, detector in zip(axes, DETECTORS, strict=True):
        for name, by_value in group.guards.items():
            points = [(e, r) for e, r in sorted(by_value.items()) if detector in r.detectors]
            points = [(e, r) for e, r in points if group.shown_rate(r, detector) is not None]
            if not points:
                continue
            x = [e for e, _ in points]
            shown = [group.shown_rate(r, detector) for _, r in points]
            axis.plot(x, shown, label=as_label(name), **styles[name])
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
    handles, labels = next(
        (h for h in (a.get_legend_handles_labels() for a in axes[::-1]) if len(h[1]) == len(group.guards)),
        axes[-1].get_legend_handles_labels(),
    )
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(0.91, 0.5), fontsize=8)
    figure.suptitle(_title(group) + ("; dashed: Li et al. 2019" if dashed else ""), y=1.02)
    return save(figure, file)


def histograms(group: DetectionGroup, arrays, file: Path) -> Path:
    """Rows of guards, columns of detectors: each statistic on clean test images and on successful attacks."""
    names, value = list(group.guards), group.shown_value
    figure, axes = plt.subplots(
        len(names), len(DETECTORS), figsize=(3 * len(DETECTORS), 1.5 * len(names) + 0.5), squeeze=False
    )
    for row, name in enumerate(names):
        result = group.guards[name].get(value)
        stored = arrays(result) if result else {}
        for column, detector in enumerate(DETECTORS):
            axis = axes[row, column]
            axis.set_yticks([])
            axis.tick_params(labelsize=7)
            if row == 0:
                axis.set_title(DETECTORS[detector].formula, fontsize=8)
            if column == 0:
                axis.set_ylabel(as_label(name), fontsize=9)
            if f"{detector}_clean" not in stored:
                axis.text(0.5, 0.5, "N/A", ha="center", va="center", transform=axis.transAxes, color="grey")
                axis.set_xticks([])
                continue
            clean, attacked = stored[f"{detector}_clean"], stored[f"{detector}_attacked"][stored["success"]]
            both = np.concatenate([clean, attacked])
            if DETECTORS[detector].needs_density:
                bins = np.linspace(both.min(), max(np.quantile(both, 0.99), both.min() + 1e-3), 40)
            else:  # a distance of posteriors spans orders of magnitude
                bins = np.geomspace(_SMALLEST, max(both.max(), 2 * _SMALLEST), 40)
                axis.set_xscale("log")
            _bars(axis, clean, bins, color="tab:green", label="clean test")
            if len(attacked):
                _bars(axis, attacked, bins, color="tab:red", label="successful attacks")
    handles, labels = axes[0, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", fontsize=8, ncols=2)
    figure.suptitle(
        f"{_title(group)}, {group.label(value)}; the outer bins hold what lies beyond", fontsize=9, x=0.02, ha="left"
    )
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    return save(figure, file)


_SMALLEST = 1e-5
"""Where the axis of a distance of posteriors begins."""


def _bars(axis, values: np.ndarray, bins: np.ndarray, **how) -> None:
    """The share of the values in each bin."""
    axis.hist(np.clip(values, bins[0], bins[-1]), bins, weights=np.full(len(values), 1 / len(values)), alpha=0.6, **how)


def roc_curves(group: DetectionGroup, arrays, file: Path) -> Path:
    """A panel a detector, a curve a guard: successful attacks at the middle eps against clean test images."""
    from deepbayes.detect.metrics import roc  # imports scikit-learn

    figure, axes = plt.subplots(1, len(DETECTORS), figsize=(3.6 * len(DETECTORS), 3.8), sharey=True)
    styles, value = style(list(group.guards)), group.shown_value
    for axis, detector in zip(axes, DETECTORS, strict=True):
        for name, by_value in group.guards.items():
            stored = arrays(by_value[value]) if value in by_value else {}
            if f"{detector}_score_clean" not in stored or not stored["success"].any():
                continue
            attacked = stored[f"{detector}_score_attacked"][stored["success"]]
            false, true = roc(stored[f"{detector}_score_clean"], attacked)
            axis.plot(100 * false, 100 * true, color=styles[name]["color"], label=as_label(name))
        axis.plot([0, 100], [0, 100], ":", color="grey", linewidth=1)
        axis.set(title=DETECTORS[detector].title, xlabel="clean test images rejected (%)")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=7, loc="lower right")
    axes[0].set_ylabel("successful attacks detected (%)")
    figure.suptitle(f"{_title(group)}, {group.label(value)}", y=1.02)
    return save(figure, file)


def _title(group: DetectionGroup) -> str:
    return f"{group.attack.upper()} on {group.dataset}, n = {group.n}, protocol {group.protocol}"
