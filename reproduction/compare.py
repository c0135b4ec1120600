"""Estimates held against published or earlier figures: difference, tolerance, verdict.

The tolerance is the 95 % binomial error of the difference, with the images that either figure is based on, plus what
training anew and another implementation may move: 1 point for clean accuracy, 6 for accuracy under attack, 10 for
detection rates. (Authors' code run again by others on CIFAR-binary moved clean accuracy by about one point.) For a mean
minimum perturbation it is what 6 points at every eps of the grid make, 0.03 on MNIST; for the L2 norm of CW a tenth,
and 0.02 for the reading of the paper's plot; and the 95 % error of both means where it is known. A figure
of successes is compared from ten of them on.
"""

from dataclasses import dataclass
from functools import cache
from math import hypot, sqrt
from pathlib import Path

from deepbayes.data.registry import DATASETS
from deepbayes.experiments.reporting.summary_tables import BEYOND
from deepbayes.experiments.store.identity import experiment_of, trial_of
from deepbayes.reference.published import Key, Published, published, published_values
from deepbayes.reproduction.comparability import (
    MEDIAN_STEPS,
    PAPERS_IMAGES,
    differs_from_the_paper,
    index_fault,
    why_not_comparable,
)
from deepbayes.reproduction.estimates import Estimate

CLEAN, ATTACKED, DETECTION = 1.0, 6.0, 10.0
L2_SHARE, L2_READING = 0.1, 0.02
FEW_SUCCESSES = 10
"""Below which neither the spread of their norms nor that of their classes says how far a mean is off."""
WITHIN, OUTSIDE, KNOWN, INCOMPARABLE = "within", "outside", "known", "not comparable"
"""Verdicts. `known` is given by reproduction/known_differences.py to what is outside here."""


@dataclass(frozen=True)
class Reference:
    """What a figure is held against.

    Attributes:
      n: images that it is based on; 0 where none is known.
      half: half its 95 % interval, where that does not follow from n.
      images: attacked; 0 where none is known.
      why_not: why nothing should be held against it; "" where there is no reason.
    """

    value: float
    n: int
    source: str
    half: float = 0.0
    images: int = 0
    why_not: str = ""


@dataclass(frozen=True)
class Comparison:
    """An estimate beside its reference.

    Attributes:
      tolerance: what |difference| may be; None where they are not comparable.
      reason: why not comparable, or why known to be outside.
    """

    estimate: Estimate
    reference: Reference
    difference: float | None
    tolerance: float | None
    verdict: str
    reason: str


def compare(estimate: Estimate, reference: Reference, against_paper: bool = True) -> Comparison:
    metric, why_not = estimate.key.metric, reference.why_not
    if against_paper:
        why_not = why_not or differs_from_the_paper(estimate)
    if metric == "min_linf_median":
        why_not = why_not or MEDIAN_STEPS
    why_not = why_not or index_fault(estimate, reference.n, reference.images)
    if estimate.value is None:
        why_not = why_not or "no successful attack to measure on"
    fewest = estimate.n if against_paper else min(estimate.n, reference.n)
    if metric.startswith(("l2_mean", "tp_")) and fewest < FEW_SUCCESSES:
        why_not = why_not or f"fewer than {FEW_SUCCESSES} successes to measure on"
    difference = None if estimate.value is None else estimate.value - reference.value
    if why_not:
        return Comparison(estimate, reference, difference, None, INCOMPARABLE, why_not)
    tolerance = _tolerance(estimate, reference)
    verdict = WITHIN if abs(difference) <= tolerance else OUTSIDE
    return Comparison(estimate, reference, difference, tolerance, verdict, "")


@cache
def papers_figures() -> dict[Key, Reference]:
    """The paper's figures by key; of one that stands in several places the first, appendix F before others."""
    return {p.key: reference_of(p) for p in reversed(published())}


def reference_of(p: Published) -> Reference:
    key, n = p.key, 1_000 if p.place == "Table 3" else PAPERS_IMAGES[p.key.dataset]
    attacked = n if key._replace(metric="accuracy_percent") in published_values() else 0
    if key.source:  # on the images that fooled the source
        n *= _fooled(key.of_the_source)
    if key.metric.startswith("tp_"):  # on the successful attacks
        n *= _fooled(key)
    return Reference(p.value, round(n), p.source, images=attacked, why_not=why_not_comparable(p))


def _fooled(key: Key) -> float:
    """The share of the paper's images that an attack fools, 1 where it does not say."""
    return 1 - published_values().get(key._replace(metric="accuracy_percent"), 0.0) / 100


def _tolerance(estimate: Estimate, reference: Reference) -> float:
    key, means = estimate.key, hypot(estimate.half, reference.half)
    if key.metric.startswith("min_linf"):
        smallest, *_, largest = DATASETS[key.dataset].eps_grid
        return ATTACKED / 100 * (largest + BEYOND - smallest) + means
    if key.metric == "l2_mean":
        return L2_SHARE * reference.value + L2_READING + means
    allowed = DETECTION if key.metric.startswith("tp_") else CLEAN if key.attack == "clean" else ATTACKED
    error = [1.96 * sqrt(_variance(f.value, f.n)) for f in (estimate, reference)]
    if key.metric.startswith("tp_"):  # a mean over classes is never more certain than one over images
        error = [max(e, f.half) for e, f in zip(error, (estimate, reference), strict=True)]
    return allowed + hypot(*error)


def _variance(percent: float, n: int) -> float:
    """Of a rate in percent, two successes and two failures added, so that 0 and 100 % have one, too."""
    if n == 0:
        return 0.0
    p = (percent / 100 * n + 2) / (n + 4)
    return 1e4 * p * (1 - p) / (n + 4)


def earlier(estimates: list[Estimate], folder: Path) -> dict[tuple, Reference]:
    """Estimates of an earlier results folder as references for new ones, of several that on most images.

    By `trial`; and by `experiment`, for new ones of other weights or seeds.
    """
    counted = sorted((e for e in estimates if e.value is not None), key=lambda e: e.settings["num_images"])
    references = {}
    for e in counted:
        reference = Reference(e.value, e.n, str(folder), e.half, e.settings["num_images"])
        references |= {experiment(e): reference, trial(e): reference}
    return references


def experiment(estimate: Estimate) -> tuple:
    """Key and experiment: what estimates share whatever their weights, seeds and numbers of images."""
    return estimate.key, experiment_of(estimate.settings)


def trial(estimate: Estimate) -> tuple:
    """Key and trial: what estimates share that differ in their number of images alone."""
    return estimate.key, trial_of(estimate.settings)
