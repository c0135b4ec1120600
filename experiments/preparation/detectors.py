"""Guards: a classifier's detectors, fitted on its training images before any attack is seen."""

from collections.abc import Callable
from functools import partial

import numpy as np

from deepbayes.detect import statistics
from deepbayes.detect.registry import DETECTORS
from deepbayes.detect.thresholds import FittedDetector, fit
from deepbayes.experiments.measurements.context import Context
from deepbayes.experiments.preparation.training_logits import training_logits
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.models.classifier import Classifier


def fit_detectors(context: Context, guard: Classifier) -> tuple[dict[str, FittedDetector], dict]:
    """The guard's detectors by name, those whose signals it has; and what they depend on."""
    rate, rule = context.run.detection.rate, context.protocol.detection.rule
    training = training_logits(context.run, context.dataset, guard, context.protocol)
    names = [n for n, d in DETECTORS.items() if d.reads <= guard.signals]
    try:
        detectors = {n: fit(n, training.logits, training.labels, rate, rule) for n in names}
    except ValueError as error:
        raise UsageError(f"{guard.name}: {error}") from None
    return detectors, {"rule": rule, "rate": rate, "calibration": training.settings}


def differentiable(detectors: dict[str, FittedDetector]) -> dict[str, tuple[Callable, np.ndarray]]:
    """Fitted detectors as attacks follow them: name -> (statistic of logits and labels, thresholds)."""
    return {
        n: (partial(getattr(statistics, n), mean_posterior=d.mean_posterior), d.thresholds.astype(np.float32))
        for n, d in detectors.items()
    }
