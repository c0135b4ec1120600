import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepbayes.attacks import registry
from deepbayes.attacks.losses import LOSSES, cross_entropy, log_odds, margin


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


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (1, 4), elements=st.floats(-100, 100, width=32)), st.integers(0, 3))
def test_the_margin_is_positive_where_another_class_leads(logits, label):
    others = np.delete(logits[0], label)
    assert margin([label], logits).numpy() == pytest.approx(others.max() - logits[0, label])
    assert np.all(log_odds([label], logits) >= margin([label], logits) - 1e-4)


def test_the_registry_lists_the_losses():
    assert tuple(LOSSES) == registry.LOSSES
