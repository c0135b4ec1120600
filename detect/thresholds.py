"""Thresholds, from training logits alone, before any attack is seen.

    quantile    the (1 - rate) quantile of the statistic over the training images (of each class, where it has its own)
    bisection   mean + alpha * std (population), alpha by 2019's bisection: on [0, 3] from 1.5, at most 20 steps, until
                the training rate is within 0.01 points of the wanted one. A rate that needs alpha > 3 is missed.

The statistic of a training image is taken at its TRUE label, that of a test image at its PREDICTED one.
"""

from dataclasses import dataclass

import numpy as np

from deepbayes.detect import statistics
from deepbayes.detect.registry import DETECTORS

RULES = ("quantile", "bisection")
_STEPS, _LARGEST, _CLOSE = 20, 3.0, 1e-4


@dataclass(frozen=True)
class FittedDetector:
    """A detector with its thresholds.

    Attributes:
      thresholds, means, stds: (C,) of the training statistic by class; all the same for a detector of one threshold.
      mean_posterior: (C, C), the mean posterior of the training images of each class.
      training_rate: share of training images that it rejects, averaged over classes where each has its own threshold.
    """

    name: str
    thresholds: np.ndarray
    means: np.ndarray
    stds: np.ndarray
    mean_posterior: np.ndarray
    training_rate: float

    def statistic(self, logits, labels) -> np.ndarray:
        """(N,) at these labels."""
        return _statistic(self.name, logits, labels, self.mean_posterior)

    def score(self, logits, labels) -> np.ndarray:
        """The statistic in standard deviations above the mean of its class: one scale for ROC curves."""
        return (self.statistic(logits, labels) - self.means[labels]) / np.maximum(self.stds[labels], 1e-12)

    def rejects(self, logits, labels) -> np.ndarray:
        """(N,) booleans: the statistic is above the threshold of its class."""
        return self.statistic(logits, labels) > self.thresholds[labels]


def fit(name: str, logits, labels, rate: float = 0.05, rule: str = "quantile") -> FittedDetector:
    """Sets the thresholds of a detector.

    Args:
      name: one of DETECTORS.
      logits, labels: (M, C) float and (M,) integers, of training images; every class must occur.
      rate: of training images to reject, in (0, 1). rule: one of RULES.

    Raises:
      ValueError: unknown name or rule, a rate outside (0, 1), logits that are not finite, a class without images.
    """
    _check(name, logits, labels, rate, rule)
    logits, classes = np.asarray(logits, np.float32), logits.shape[1]
    mean_posterior = mean_posteriors(logits, labels)
    values = _statistic(name, logits, labels, mean_posterior)
    groups = [values[labels == c] for c in range(classes)] if DETECTORS[name].by_class else [values]
    cut = _quantile if rule == "quantile" else _bisection
    thresholds = [cut(group, rate) for group in groups]
    rates = [np.mean(group > t) for group, t in zip(groups, thresholds, strict=True)]
    per_class = classes // len(groups)

    def spread(numbers):
        return np.repeat(np.array(numbers, np.float32), per_class)

    means, stds = spread([g.mean() for g in groups]), spread([g.std() for g in groups])
    return FittedDetector(name, spread(thresholds), means, stds, mean_posterior, float(np.mean(rates)))


def mean_posteriors(logits, labels) -> np.ndarray:
    """(C, C) float32: row y is the mean of softmax(logits) over the images of class y."""
    posterior = np.exp(statistics.log_posterior(logits, statistics.NUMPY))
    return np.stack([posterior[labels == c].mean(axis=0) for c in range(logits.shape[1])])


def _statistic(name: str, logits, labels, mean_posterior) -> np.ndarray:
    logits, labels = np.asarray(logits, np.float32), np.asarray(labels, np.int32)
    return getattr(statistics, name)(logits, labels, mean_posterior, ops=statistics.NUMPY)


def _quantile(values, rate: float) -> float:
    return float(np.quantile(values, 1 - rate))


def _bisection(values, rate: float) -> float:
    mean, std = values.mean(), values.std()
    low, high, alpha = 0.0, _LARGEST, _LARGEST / 2
    for _ in range(_STEPS):
        rejected = np.mean(values > mean + alpha * std)
        if abs(rejected - rate) < _CLOSE:
            break
        low, high = (alpha, high) if rejected > rate else (low, alpha)
        alpha = (low + high) / 2
    return mean + alpha * std


def _check(name, logits, labels, rate, rule):
    if name not in DETECTORS:
        raise ValueError(f"unknown detector {name!r}; known: {', '.join(DETECTORS)}")
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}; known: {', '.join(RULES)}")
    if not 0 < rate < 1:
        raise ValueError(f"the false-positive rate must be between 0 and 1, not {rate}")
    if len(logits) != len(labels):
        raise ValueError(f"{len(logits)} rows of logits but {len(labels)} labels")
    if not np.isfinite(logits).all():
        raise ValueError("training logits are NaN or infinite")
    missing = sorted(set(range(logits.shape[1])) - set(np.unique(labels).tolist()))
    if missing:
        raise ValueError(f"no training images of class {', '.join(map(str, missing))}: take more calibration images")
