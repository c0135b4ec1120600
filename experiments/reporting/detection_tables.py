"""Detection results as tables: one a detector, one of all together, one of ROC areas."""

from dataclasses import dataclass

from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.reporting.tables import AttackRun, Run, Table
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.identity import SHIPPED_CALIBRATION, USUAL_FALSE_RATE
from deepbayes.experiments.store.result import DetectionResult, DetectorResult, OutOfDistributionResult
from deepbayes.reference.published import paper_detection, paper_images


@dataclass(frozen=True, kw_only=True)
class Thresholds(Run):
    """A run and its thresholds.

    Attributes:
      rate: share of training images that they reject. calibration_images: how many they were set on.
    """

    rate: float
    calibration_images: int

    def stem_with_thresholds(self, *kind: str) -> str:
        own = [
            f"fpr{self.rate:g}" if self.rate != USUAL_FALSE_RATE else "",
            f"cal{self.calibration_images}" if self.calibration_images != SHIPPED_CALIBRATION else "",
        ]
        return self.stem_of(*kind, *own)


@dataclass(frozen=True, kw_only=True)
class DetectionGroup(Thresholds, AttackRun):
    """Detection results that belong together: the same attack in the same run, the same thresholds.

    Attributes:
      chosen_guard: the guard of all victims, or "" where each guards itself.
      guards: label -> {value of the parameter: result}; the label is the victim's name, with a chosen guard's behind an
        arrow.
    """

    chosen_guard: str
    guards: dict[str, dict[float, DetectionResult]]

    @property
    def grid(self) -> list[float]:
        return sorted({value for by_value in self.guards.values() for value in by_value})

    @property
    def shown_value(self) -> float:
        """The value of histograms, ROC curves and areas: the middle of the grid."""
        return self.grid[len(self.grid) // 2]

    @property
    def transfer(self) -> bool:
        return bool(self.chosen_guard)

    @property
    def stem(self) -> str:
        guard = f"guard_{self.chosen_guard}" if self.transfer else ""
        return self.stem_with_thresholds("detect", *self.kind, guard)

    @property
    def class_averaged(self) -> bool:
        return PROTOCOLS[self.protocol].detection.class_averaged

    def shown_rate(self, result: DetectionResult, detector: str) -> float | None:
        """The detection rate that the tables show, in percent; None without successes."""
        content = result.detectors[detector]
        averaged = self.class_averaged and DETECTORS[detector].by_class
        share = content.tp_class_averaged if averaged else content.tp.rate
        return None if share is None else 100 * share

    def paper_rate(self, result: DetectionResult, detector: str) -> float | None:
        """The paper's detection rate in percent; None where the thresholds, a label aimed at or a guard are not its."""
        if self.targeted or self.transfer or self.rate != USUAL_FALSE_RATE:
            return None
        attack, key = self.paper_attack, self.paper_key(result.value)
        return paper_detection(self.dataset, result.paper_classifier, attack, key, detector)


def detection_tables(group: DetectionGroup) -> list[Table]:
    return [*(_detector_table(group, d) for d in DETECTORS), _union_table(group), _auroc_table(group)]


def _detector_table(group: DetectionGroup, detector: str) -> Table:
    rows, widest, paper_shown = [], 0.0, False
    for name, by_value in group.guards.items():
        first = next(iter(by_value.values()))
        if detector not in first.detectors:
            rows.append([name, *["N/A"] * (len(group.grid) + 1)])
            continue
        cells = [first.detectors[detector].fp.percent()]
        for value in group.grid:
            result = by_value.get(value)
            if result is None or detector not in result.detectors:
                cells.append("-")
                continue
            detected, paper = group.shown_rate(result, detector), group.paper_rate(result, detector)
            paper_shown |= paper is not None
            cells.append(
                ("n/a" if detected is None else f"{detected:.1f}") + ("" if paper is None else f" ({paper:.1f})")
            )
            widest = max(widest, result.detectors[detector].tp.half)
        rows.append([name, *cells])
    d = DETECTORS[detector]
    averaged = group.class_averaged and d.by_class
    caption = f"The share of successful attacks that is rejected for a high {d.formula}, in %, {group.where} "
    caption += (
        f"Thresholds reject {100 * group.rate:g} % of the training images. FP: rejected clean test images, in %. "
    )
    caption += "Mean over predicted classes. " if averaged else ""
    caption += "Success here is any wrong label, whether or not it is the target. " if group.targeted else ""
    if paper_shown:
        how = " (its mean over predicted classes, with 2019's index fault)" if detector == "kl" else ""
        how = " (its mean over predicted classes)" if detector == "logit" else how
        caption += f"In brackets the paper's rate{how}, on {paper_images(group.dataset)}. "
    caption += f"95 % intervals (Wilson, over images) are at most +-{100 * widest:.0f} points." if widest else ""
    heads = ["guard", "FP", *(group.label(value) for value in group.grid)]
    return Table(f"{group.title}: detected by {d.title} detection", heads, rows, caption)


def _union_table(group: DetectionGroup) -> Table:
    rows = []
    for name, by_value in group.guards.items():
        first = next(iter(by_value.values()))
        cells = [first.union.fp.percent()]
        for value in group.grid:
            union = by_value[value].union if value in by_value else None
            cells.append(f"{union.tp.percent()} / {union.unnoticed_errors.percent()}" if union else "-")
        rows.append([name, *cells])
    caption = (
        "Detected by at least one detector, in % of the successful attacks. Behind the slash: misclassified and not "
        "detected, in % of all attacked images, also of those that were wrong before the attack. FP: clean test images "
        "that any detector rejects, in %."
    )
    heads = ["guard", "FP", *(group.label(value) for value in group.grid)]
    return Table(f"{group.title}: detected by any detector", heads, rows, caption)


def _auroc_table(group: DetectionGroup) -> Table:
    value, rows = group.shown_value, []
    for name, by_value in group.guards.items():
        cells = []
        for detector in DETECTORS:
            content = by_value[value].detectors.get(detector) if value in by_value else None
            if content is None or None in (content.auroc, *content.true_rate_at.values()):
                cells.append("N/A" if content is None else "n/a")
                continue
            at = content.true_rate_at
            cells.append(f"{content.auroc:.3f}, {100 * at['0.05']:.0f}, {100 * at['0.01']:.0f}")
        rows.append([name, *cells])
    caption = (
        f"Successful attacks at {group.label(value)} against clean test images: area under the ROC curve, and the "
        "share detected (in %) where 5 and 1 % of the clean test images are rejected. Score: the statistic in standard "
        "deviations of its class."
    )
    heads = ["guard", *(DETECTORS[d].title for d in DETECTORS)]
    return Table(f"{group.title}: ROC area, true positives at 5 and 1 % false ones", heads, rows, caption)


@dataclass(frozen=True, kw_only=True)
class OodGroup(Thresholds):
    """Results of `ood` that belong together. guards: classifier -> {kind of other images: result}."""

    guards: dict[str, dict[str, OutOfDistributionResult]]

    @property
    def stem(self) -> str:
        return self.stem_with_thresholds("ood")


def ood_tables(group: OodGroup) -> list[Table]:
    """A table for each kind of other images."""
    kinds = sorted({kind for by_kind in group.guards.values() for kind in by_kind})
    return [_ood_table(group, kind) for kind in kinds]


def _ood_table(group: OodGroup, kind: str) -> Table:
    rows = []
    for name, by_kind in group.guards.items():
        contents = [by_kind[kind].detectors.get(d) if kind in by_kind else None for d in DETECTORS]
        rows.append([name, *map(_area_and_rate, contents)])
    caption = (
        f"Area under the ROC curve: as many images of {kind} against clean ones, {group.where} Behind the comma: the "
        f"share of the other images that is rejected, in %. Thresholds reject {100 * group.rate:g} % of the training "
        "images."
    )
    return Table(
        f"Images of another kind: {kind}", ["classifier", *(d.title for d in DETECTORS.values())], rows, caption
    )


def _area_and_rate(content: DetectorResult | None) -> str:
    if content is None:
        return "N/A"
    return ("n/a" if content.auroc is None else f"{content.auroc:.3f}") + f", {content.tp.percent(0)}"
