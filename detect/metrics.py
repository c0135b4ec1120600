"""What a detector is worth: rates over images or over classes, ROC, and the errors that nobody detects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

if TYPE_CHECKING:  # whose module imports TensorFlow, which figures do without
    from deepbayes.detect.thresholds import FittedDetector


def class_averaged(
    detector: FittedDetector, logits, predicted, selected, rows_within_selection: bool = False
) -> float | None:
    """The paper's TP of logit and KL detection: the mean over the predicted classes that occur, unweighted.

    Args:
      logits: (N, C) of all images. predicted: (N,) the labels whose thresholds are used.
      selected: (N,) booleans, the successful attacks.
      rows_within_selection: 2019's index fault in KL detection: positions are counted within the successful images but
        taken from all.

    Returns:
      a share in [0, 1]; None where nothing is selected.
    """
    classes = _by_class(detector, logits, predicted, selected, rows_within_selection)
    return float(np.mean([rejected / n for rejected, n in classes])) if classes else None


def class_averaged_error(
    detector: FittedDetector, logits, predicted, selected, rows_within_selection: bool = False
) -> float | None:
    """Standard error of `class_averaged`, whose arguments it takes: sqrt(sum_c p_c (1 - p_c) / n_c) / C.

    p_c counts two images more of either kind, so that a class of few is not taken for certain.
    """
    classes = _by_class(detector, logits, predicted, selected, rows_within_selection)
    shares = [((rejected + 2) / (n + 4), n + 4) for rejected, n in classes]
    return float(np.sqrt(sum(p * (1 - p) / n for p, n in shares)) / len(classes)) if classes else None


def _by_class(detector, logits, predicted, selected, rows_within_selection: bool) -> list[tuple[int, int]]:
    """Of each predicted class that occurs among the selected: how many are rejected, how many there are."""
    rows, labels = np.flatnonzero(selected), predicted[selected]
    found = []
    for label in np.unique(labels):
        within = np.flatnonzero(labels == label)
        chosen = within if rows_within_selection else rows[within]
        found.append((int(detector.rejects(logits[chosen], np.full(len(chosen), label)).sum()), len(chosen)))
    return found


def roc(clean_scores, attacked_scores) -> tuple[np.ndarray, np.ndarray]:
    """False- and true-positive rates over all thresholds; both inputs must hold at least one image."""
    false, true, _ = roc_curve(*_labelled(clean_scores, attacked_scores), drop_intermediate=False)
    return false, true


def auroc(clean_scores, attacked_scores) -> float | None:
    """Area under the ROC curve; None where either side is empty."""
    if not (len(clean_scores) and len(attacked_scores)):
        return None
    return float(roc_auc_score(*_labelled(clean_scores, attacked_scores)))


def true_rate_at(false_rate: float, clean_scores, attacked_scores) -> float | None:
    """The largest true-positive rate with at most this false-positive rate; None where either side is empty."""
    if not (len(clean_scores) and len(attacked_scores)):
        return None
    false, true = roc(clean_scores, attacked_scores)
    return float(true[false <= false_rate].max())


def _labelled(clean_scores, attacked_scores):
    labels = np.repeat([0, 1], [len(clean_scores), len(attacked_scores)])
    return labels, np.concatenate([clean_scores, attacked_scores])
