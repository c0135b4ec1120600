"""The detectors on made-up logits: formulas, thresholds, rates, and 2019's faults as options."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax

from deepbayes.detect import metrics, statistics
from deepbayes.detect.registry import DETECTORS
from deepbayes.detect.thresholds import FittedDetector, fit, mean_posteriors

C = 4


def made_up(n=400, seed=0, margin=3.0):
    """Logits of images whose class is usually the largest, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % C
    logits = random.normal(-50, 4, (n, C)).astype(np.float32)
    logits[np.arange(n), labels] += margin
    return logits, labels


def all_statistics(logits, labels, mean, ops):
    return {
        "marginal": statistics.marginal(logits, ops=ops),
        "logit": statistics.logit(logits, labels, ops=ops),
        "kl": statistics.kl(logits, labels, mean, ops=ops),
        "tv": statistics.tv(logits, labels, mean, ops=ops),
    }


# ---- statistics ----


def test_the_formulas():
    logits, labels = made_up(40)
    mean, wide = mean_posteriors(logits, labels), logits.astype(np.float64)
    log_p, rows = log_softmax(wide, axis=1), np.arange(40)
    expected = {
        "marginal": -np.log(np.exp(wide + 50).sum(axis=1)) + 50,
        "logit": -wide[rows, labels],
        "kl": [sum(mean[y, c] * (np.log(mean[y, c]) - log_p[n, c]) for c in range(C)) for n, y in enumerate(labels)],
        "tv": [0.5 * sum(abs(mean[y, c] - np.exp(log_p[n, c])) for c in range(C)) for n, y in enumerate(labels)],
    }
    found = all_statistics(logits, labels, mean, statistics.NUMPY)
    assert found.keys() == DETECTORS.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("margin", [3.0, 300.0, 3000.0])
def test_keras_and_numpy_agree_and_stay_finite_at_any_margin(margin):
    logits, labels = made_up(100, margin=margin)
    mean = mean_posteriors(logits, labels)
    ours = all_statistics(logits, labels, mean, statistics.NUMPY)
    theirs = all_statistics(keras.ops.convert_to_tensor(logits), labels, mean, keras.ops)
    for name, values in ours.items():
        assert np.isfinite(values).all(), name
        np.testing.assert_allclose(np.asarray(theirs[name]), values, rtol=2e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", DETECTORS)
def test_an_attack_can_follow_every_statistic(name):
    logits, labels = made_up(20)
    mean = mean_posteriors(logits, labels)
    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        values = all_statistics(variable, labels, mean, keras.ops)[name]
    gradient = tape.gradient(values, variable).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).sum(axis=1).min() > 0


@given(arrays(np.float32, (6, C), elements=st.floats(-200, 0, width=32)), st.floats(-30, 30, width=32))
def test_divergences_ignore_a_shift_and_densities_follow_it(logits, shift):
    labels = np.arange(6) % C
    mean = softmax(np.eye(C, dtype=np.float32) * 4, axis=1)
    before = all_statistics(logits, labels, mean, statistics.NUMPY)
    after = all_statistics(logits + np.float32(shift), labels, mean, statistics.NUMPY)
    for name in ("kl", "tv"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-3)
        assert before[name].min() >= -1e-5
    assert before["tv"].max() <= 1 + 1e-6
    for name in ("marginal", "logit"):
        np.testing.assert_allclose(after[name], before[name] - shift, rtol=1e-4, atol=1e-3)


# ---- thresholds ----


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_quantiles_reject_the_wanted_share_of_each_class(name, rate):
    logits, labels = made_up(4000)
    detector = fit(name, logits, labels, rate)
    rejected = detector.rejects(logits, labels)
    for group in [labels == c for c in range(C)] if DETECTORS[name].by_class else [labels >= 0]:
        assert abs(rejected[group].mean() - rate) <= 1.5 / group.sum()
    assert detector.training_rate == pytest.approx(rate, abs=2e-3)


def test_the_bisection_cannot_go_beyond_three_standard_deviations():
    """Heavy tails: 2 % of a statistic lie 10 standard deviations out, so no alpha <= 3 rejects 0.1 %."""
    logits, labels = made_up(4000)
    logits[::50] -= 500
    capped, exact = fit("marginal", logits, labels, 0.001, "bisection"), fit("marginal", logits, labels, 0.001)
    assert capped.training_rate == pytest.approx(0.02, abs=1e-3)
    assert capped.thresholds[0] == pytest.approx(capped.means[0] + 3 * capped.stds[0], rel=1e-4)
    assert exact.training_rate == pytest.approx(0.001, abs=3e-4)


def test_scores_count_standard_deviations_of_the_class():
    logits, labels = made_up(4000)
    logits[labels == 1] *= 3
    scores = fit("logit", logits, labels).score(logits, labels)
    for c in range(C):
        assert scores[labels == c].mean() == pytest.approx(0, abs=1e-3)
        assert scores[labels == c].std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "guess"}, "unknown detector 'guess'; known: marginal, logit"),
        ({"rule": "guess"}, "unknown rule"),
        ({"rate": 0.0}, "between 0 and 1"),
        ({"rate": 1.0}, "between 0 and 1"),
        ({"logits": np.full((8, C), np.nan)}, "NaN or infinite"),
        ({"labels": np.zeros(8, int)}, "no training images of class 1, 2, 3: take more"),
        ({"labels": np.arange(7) % C}, "8 rows of logits but 7 labels"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, message):
    arguments = {"name": "kl", "logits": np.zeros((8, C)), "labels": np.arange(8) % C} | change
    with pytest.raises(ValueError, match=message):
        fit(**arguments)


# ---- metrics ----


def threshold_at(value: float) -> FittedDetector:
    same = np.full(C, value, np.float32)
    return FittedDetector("logit", same, np.zeros(C), np.ones(C), np.eye(C, dtype=np.float32), 0.05)


def test_class_averages_weigh_every_predicted_class_alike():
    logits = np.zeros((6, C), np.float32)
    predicted = np.array([0, 0, 0, 0, 1, 2])
    logits[np.arange(6), predicted] = [-9, -9, -9, -1, -1, -9]  # statistics 9 9 9 1 1 9
    detector = threshold_at(5)
    selected = np.array([True] * 5 + [False])
    assert metrics.class_averaged(detector, logits, predicted, selected) == pytest.approx((3 / 4 + 0) / 2)
    assert metrics.class_averaged(detector, logits, predicted, np.zeros(6, bool)) is None
    variances = [(5 / 8) * (3 / 8) / 8, (2 / 5) * (3 / 5) / 5]  # 3 of 4 and 0 of 1, two added of each kind
    error = metrics.class_averaged_error(detector, logits, predicted, selected)
    assert error == pytest.approx(np.sqrt(sum(variances)) / 2)
    assert metrics.class_averaged_error(detector, logits, predicted, np.zeros(6, bool)) is None


def test_2019s_index_fault_looks_at_other_images():
    """With only the last two images selected, positions 0 and 1 within the selection are read from all images."""
    logits = np.full((4, C), -1.0, np.float32)
    logits[:2] = -9
    predicted, selected = np.zeros(4, int), np.array([False, False, True, True])
    assert metrics.class_averaged(threshold_at(5), logits, predicted, selected) == 0.0
    assert metrics.class_averaged(threshold_at(5), logits, predicted, selected, rows_within_selection=True) == 1.0


def test_roc_numbers():
    low, high = np.arange(100.0), np.arange(100.0) + 1000
    assert metrics.auroc(low, high) == 1.0
    assert metrics.auroc(low, low) == 0.5
    assert metrics.true_rate_at(0.05, low, low) == pytest.approx(0.05)
    assert metrics.true_rate_at(0.01, low, high) == 1.0
    assert metrics.auroc(low, high[:0]) is None
    assert metrics.true_rate_at(0.05, low[:0], high) is None
