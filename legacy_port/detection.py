"""What 2019's detect_attacks_logp.py reports, from logits: its keys, its percentages, its index fault.

White box (the guard is the victim): success, and the predicted class that picks thresholds, come from the logits stored
with the attack; the statistic from the guard's second evaluation. Transfer: all of it from the guard's evaluation, and
success means that the guard is fooled.
"""

import numpy as np

from deepbayes.detect.metrics import class_averaged
from deepbayes.detect.thresholds import FittedDetector, fit

KEYS = {"marginal": "logpx", "logit": "logpxy", "kl": "kl"}


def detectors(logits_train, y_train) -> dict[str, FittedDetector]:
    """2019's three, from a guard's logits (M, C) of training images and their labels (M,).

    Raises:
      ValueError: a class without training images.
    """
    return {name: fit(name, logits_train, y_train, 0.05, "bisection") for name in KEYS}


def report(
    fitted: dict[str, FittedDetector], logits_guard, logits_victim, y, perturbation, *, transfer: bool
) -> dict[str, float]:
    """The dictionary of a 2019 detection file, in percent and pixel scale; NaN where no attack succeeded.

    Args:
      fitted: `detectors` of the guard.
      logits_guard, logits_victim: (N, C) on the adversarial images: computed by the guard, stored by the attack.
      y: (N,) true labels. perturbation: (N, ...).
    """
    fooled_victim = logits_victim.argmax(axis=1) != y
    predicted = (logits_guard if transfer else logits_victim).argmax(axis=1)
    success = predicted != y
    delta = perturbation.reshape(len(y), -1)[success]
    distances = {
        "l2": np.linalg.norm(delta, axis=1),
        "l0": np.count_nonzero(delta, axis=1).astype(np.float64),
        "li": np.abs(delta).max(axis=1, initial=0.0),
    }
    found = {
        "success_rate": 100 * np.mean(success),
        "success_rate_victim": 100 * _mean(success[fooled_victim]),
    }
    for norm, values in distances.items():
        found |= {
            f"mean_dist_{norm}": _mean(values),
            f"std_dist_{norm}": float(np.std(values)) if success.any() else np.nan,
        }
    for name, key in KEYS.items():
        detector = fitted[name]
        if name == "marginal":
            caught = _mean(detector.rejects(logits_guard, predicted)[success])
        else:
            caught = class_averaged(detector, logits_guard, predicted, success, rows_within_selection=name == "kl")
        found[f"FP_{key}"] = 100 * detector.training_rate
        found[f"TP_{key}"] = np.nan if caught is None else 100 * caught
    return {key: float(value) for key, value in found.items()}


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
