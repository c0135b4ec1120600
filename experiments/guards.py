"""Guards: a classifier's detectors, fitted on its training images before any attack is seen."""

from collections.abc import Callable
from functools import partial

import numpy as np

from detect import statistics
from detect.registry import DETECTORS
from detect.thresholds import FittedDetector, fit
from experiments.context import Context
from experiments.errors import UsageError
from experiments.training_logits import training_logits
from experiments.victims import Victim


def fit_detectors(context: Context, guard: Victim) -> tuple[dict[str, FittedDetector], dict]:
    """The guard's detectors by name, without those that need a density where it has none; and what they depend on."""
    o, rule = context.options, context.protocol.detection.rule
    training = training_logits(o, context.dataset, guard, context.protocol)
    names = [n for n, d in DETECTORS.items() if guard.models_x or not d.needs_density]
    try:
        detectors = {n: fit(n, training.logits, training.labels, o.fpr, rule) for n in names}
    except ValueError as error:
        raise UsageError(f"{guard.name}: {error}") from None
    return detectors, {"rule": rule, "rate": o.fpr, "calibration": training.settings}


def differentiable(detectors: dict[str, FittedDetector]) -> dict[str, tuple[Callable, np.ndarray]]:
    """Fitted detectors as attacks follow them: name -> (statistic of logits and labels, thresholds)."""
    return {
        n: (partial(getattr(statistics, n), mean_posterior=d.mean_posterior), d.thresholds.astype(np.float32))
        for n, d in detectors.items()
    }
