import numpy as np
import pytest
import tensorflow as tf
from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method
from conftest import tiny, tiny_images
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attacks import fgsm
from attacks.losses import LOSSES, cross_entropy, log_odds

X, Y = tiny_images(6)


def _gradient(loss, logits, labels):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    return tape.gradient(value, logits).numpy()


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (1, 4), elements=st.floats(-6, 6, width=32)), st.integers(0, 3))
def test_log_odds_and_cross_entropy_have_the_same_gradient_direction(logits, label):
    a, b = _gradient(log_odds, logits, [label])[0], _gradient(cross_entropy, logits, [label])[0]
    assert a @ b >= (1 - 1e-4) * np.linalg.norm(a) * np.linalg.norm(b)


def test_log_odds_does_not_underflow_where_cross_entropy_does():
    logits = np.array([[0.0, -200.0, -300.0]], np.float32)
    assert not _gradient(cross_entropy, logits, [0]).any()
    np.testing.assert_allclose(_gradient(log_odds, logits, [0]), [[-1, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("eps", [0.0, 0.003, 0.1, 0.3, 1.0])
def test_scaled_direction_equals_cleverhans_at_every_eps(loss, targeted, eps):
    classifier = tiny("GFZ")
    y = tf.constant((Y + 1) % 3 if targeted else Y)
    step = fgsm.direction(classifier, tf.constant(X), y, loss, targeted)
    library = fast_gradient_method(
        classifier,
        tf.constant(X),
        eps,
        np.inf,
        loss_fn=LOSSES[loss],
        clip_min=0.0,
        clip_max=1.0,
        y=y,
        targeted=targeted,
    )
    np.testing.assert_allclose(fgsm.perturb(X, step, eps), library, atol=1e-6)


def test_a_broken_linear_victim_falls_to_zero():
    """Logits +-w.x with a margin that 64 pixels of 0.3 overturn for every image."""
    w = np.random.default_rng(0).choice([-1.0, 1.0], 64).astype(np.float32)

    def victim(x):
        score = tf.reshape(x - 0.5, (-1, 64)) @ w[:, None]
        return tf.concat([-score, score], axis=1)

    y = victim(X).numpy().argmax(axis=1)
    attacked = fgsm.perturb(X, fgsm.direction(victim, tf.constant(X), tf.constant(y)), 0.5)
    assert np.all(victim(attacked).numpy().argmax(axis=1) != y)


def test_a_gradient_killing_victim_gives_direction_zero():
    def victim(x):
        return tf.reduce_sum(tf.stop_gradient(x), (1, 2)) * tf.constant([[1.0, 2.0]]) + 0 * tf.reduce_sum(x)

    step = fgsm.direction(victim, tf.constant(X), tf.zeros(6, tf.int32))
    assert not step.numpy().any()


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 2), st.integers(0, 100))
def test_adversarial_images_stay_within_budget_and_pixel_range(eps, seed):
    step = np.random.default_rng(seed).integers(-1, 2, X.shape).astype(np.float32)
    attacked = fgsm.perturb(X, step, eps).numpy()
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert np.abs(attacked - X).max() <= eps + 1e-6


@pytest.mark.parametrize("eps", [-0.1, float("nan"), float("inf")])
def test_bad_budgets_are_refused(eps):
    with pytest.raises(ValueError, match="eps"):
        fgsm.perturb(X, np.zeros_like(X), eps)
