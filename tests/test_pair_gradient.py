"""Gradients through the pairs of sample and class that carry weight, held to automatic differentiation through all."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepbayes.attacks.losses import LOSSES
from deepbayes.data import mnist5k
from deepbayes.legacy_port.golden import Golden
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.classifier import DROP
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.deep_bayes.sparse_gradient import log_likelihood_of_pairs, worth_it
from deepbayes.models.zoo import load_classifier
from helpers import GOLDEN

Y = np.arange(6, dtype=np.int32) % 3
WITH_DECODER = [n for n, f in FACTORISATIONS.items() if f.models_x]


def tiny(name, likelihood="l2"):
    classifier = DeepBayes(FACTORISATIONS[name], ARCHITECTURES["tiny"], likelihood=likelihood)
    for k, v in enumerate(classifier.trainable_variables):
        v.assign(0.3 * np.random.default_rng(k).normal(size=v.shape))
    return classifier


def gradients(classifier, x, y, drop, loss=LOSSES["log-odds"], of="logits"):
    noise = classifier.draw(3, np.arange(len(x)), samples=5)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = getattr(classifier, of)(x, noise, drop)
        total = loss(y, values if of == "logits" else values[2])
    return tape.gradient(total, x).numpy(), values.numpy()


def relative_error(ours, full):
    ours, full = ours.astype(np.float64), full.astype(np.float64)  # squares of 1e-23 are 0 in float32
    flat = (len(full), -1)
    return np.linalg.norm((ours - full).reshape(flat), axis=1) / np.linalg.norm(full.reshape(flat), axis=1)


@pytest.mark.parametrize("likelihood", ["l2", "l1", "bernoulli", "gaussian"])
@pytest.mark.parametrize("name", WITH_DECODER)
def test_dropping_next_to_nothing_is_the_full_gradient(name, likelihood):
    classifier, x = tiny(name, likelihood), np.random.default_rng(0).uniform(0.1, 0.9, (6, 8, 8, 1)).astype(np.float32)
    full, logits = gradients(classifier, x, Y, 0.0)
    ours, same = gradients(classifier, x, Y, 1e-12)
    np.testing.assert_allclose(ours, full, rtol=1e-3, atol=1e-5 * np.abs(full).max())
    np.testing.assert_allclose(same, logits, rtol=1e-6)


@pytest.mark.parametrize("name", WITH_DECODER)
def test_so_is_the_gradient_of_one_samples_logits(name):
    classifier, x = tiny(name), np.random.default_rng(0).uniform(size=(6, 8, 8, 1)).astype(np.float32)
    full, _ = gradients(classifier, x, Y, 0.0, of="snapshot_logits")
    ours, _ = gradients(classifier, x, Y, 1e-12, of="snapshot_logits")
    np.testing.assert_allclose(ours, full, rtol=1e-3, atol=1e-5 * np.abs(full).max())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["GFZ", "GFY", "GBZ", "GBY", "DFZ"])
def test_on_trained_classifiers_what_attacks_drop_costs_less_than_a_thousandth(name, loss):
    digits = mnist5k.load("test", None).spread(4)
    x, y = digits.x, digits.y.astype(np.int32)
    classifier = load_classifier("mnist", name).model
    full, logits = gradients(classifier, x, y, 0.0, LOSSES[loss])
    moved = np.clip(x + 0.2 * np.sign(full), 0, 1).astype(np.float32)
    for images in (x, moved):
        full, logits = gradients(classifier, images, y, 0.0, LOSSES[loss])
        ours, same = gradients(classifier, images, y, DROP, LOSSES[loss])
        np.testing.assert_allclose(same, logits, rtol=1e-6)
        alive = np.abs(full).reshape(len(x), -1).max(axis=1) > 0  # cross-entropy of a sure image is exactly 0
        assert relative_error(ours[alive], full[alive]).max() <= 1e-3
        assert not ours[~alive].any()


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.floats(-1e3, 1e3, width=32)),
    st.floats(1e-6, 0.5),
    st.integers(-30, 20),
)
def test_what_is_left_out_sums_to_at_most_the_share_at_any_scale(weights, drop, exponent):
    weights = weights * np.float32(10.0**exponent)
    keep = worth_it(tf.constant(weights), drop).numpy()
    size = np.abs(weights)
    size[size < np.finfo(np.float32).tiny] = 0  # TensorFlow flushes subnormal numbers
    assert (np.where(keep, 0, size).sum(axis=0) <= drop * size.sum(axis=0) * (1 + 1e-4)).all()
    kept_least = np.where(keep, size, np.inf).min(axis=0)
    dropped_most = np.where(keep, 0, size).max(axis=0)
    assert (dropped_most <= kept_least).all()


def test_pairs_that_are_not_numbers_are_kept():
    assert worth_it(tf.constant([[np.nan], [1.0]]), 0.1).numpy().all()


def test_most_pairs_of_a_sure_image_are_left_out():
    weights = np.full((100, 1), 1e-9, np.float32)
    weights[:3] = 1.0
    assert worth_it(tf.constant(weights), 1e-4).numpy().sum() == 3


@pytest.mark.parametrize(
    "file", ["mnist_GFZ", "mnist_GBY", "mnist_DFZ", "plane_frog_GFZ", "trained_mnist_GFZ", "trained_mnist_GBZ"]
)
def test_on_the_golden_files_it_is_2019s_gradient(file):
    golden = Golden(GOLDEN / f"{file}.npz")
    x = tf.constant(golden.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = golden.classifier.logits(x, golden.class_noise, DROP)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=golden["y"], logits=logits)
    ours, theirs = tape.gradient(loss, x).numpy(), golden["grad_ce"]
    assert np.linalg.norm(ours - theirs) <= 1e-3 * np.linalg.norm(theirs)


def test_one_trace_a_victim_whatever_is_kept():
    """How many pairs are kept differs from batch to batch; the graph does not."""
    classifier, traces = tiny("GFZ"), []

    @tf.function
    def gradient(x, noise):
        traces.append(1)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = LOSSES["log-odds"](Y, classifier.logits(x, noise, 0.05))
        return tape.gradient(loss, x)

    for seed in range(3):
        x = np.random.default_rng(seed).uniform(size=(6, 8, 8, 1)).astype(np.float32)
        gradient(tf.constant(x), classifier.draw(seed, np.arange(6)))
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["GFZ", "GBZ"])
def test_few_pixels_change_the_sign_that_attacks_follow_and_fgsm_reaches_the_same_loss(name):
    digits = mnist5k.load("test", None).spread(20)
    x, y, classifier = digits.x, digits.y.astype(np.int32), load_classifier("mnist", name).model
    full, _ = gradients(classifier, x, y, 0.0)
    ours, _ = gradients(classifier, x, y, DROP)
    assert np.mean(np.sign(ours) != np.sign(full)) < 2e-3
    noise = classifier.draw(9, digits.index)
    losses = [
        LOSSES["log-odds"](y, classifier.logits(np.clip(x + 0.2 * np.sign(g), 0, 1), noise)).numpy()
        for g in (full, ours)
    ]
    assert abs(np.mean(losses[1] - losses[0])) < 0.03  # nats


def test_a_loss_that_no_logit_moves_has_gradient_zero():
    classifier, x = tiny("GFZ"), tf.constant(np.full((6, 8, 8, 1), 0.5, np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = 0.0 * tf.reduce_sum(classifier.logits(x, classifier.draw(0, range(6)), DROP))
    assert not tape.gradient(loss, x).numpy().any()


def test_the_decoders_first_parent_must_be_z():
    classifier = tiny("GFZ")
    with pytest.raises(ValueError, match="must be z"):
        log_likelihood_of_pairs("l2", classifier.p_x, None, {}, "yz", DROP)
