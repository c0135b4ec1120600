"""Every attack of the registry on small victims: bounds, strength, randomness, bad input; PGD and MIM by CleverHans."""

import dataclasses
import importlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method
from cleverhans.tf2.attacks.momentum_iterative_method import momentum_iterative_method
from cleverhans.tf2.attacks.projected_gradient_descent import projected_gradient_descent
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbayes.attacks.black_box import square
from deepbayes.attacks.black_box.onepixel import set_pixels
from deepbayes.attacks.losses import LOSSES
from deepbayes.attacks.registry import ATTACKS, NOTHING
from deepbayes.attacks.target import Target, check_targets
from deepbayes.attacks.white_box import cw
from helpers import tiny, tiny_images

X, Y = tiny_images(6)
Y = Y.astype(np.int32)
INDEX = np.arange(6, dtype=np.int32)
QUICK = {
    "pgd": {"steps": 5}, "mim": {"steps": 5}, "cw": {"steps": 30}, "spsa": {"steps": 3, "directions": 4},
    "square": {"queries": 20}, "onepixel": {"population": 6, "generations": 2},
    "wbs": {"steps": 5, "statistic": "none"},
}  # fmt: skip
"""Options that make an attack fast enough for every test."""


def linear(classes=3, scale=3.0, channels=1, size=8):
    """A deterministic linear victim; its margins are nats of a few."""
    kernel = np.random.default_rng(0).normal(size=(size * size * channels, classes)).astype(np.float32)

    def logits(x, index, seed):
        return tf.reshape(x - 0.5, (-1, kernel.shape[0])) @ kernel * scale

    def snapshot(x, index, seed):
        return logits(x, index, seed)[tf.newaxis]

    return Target(logits, classes, snapshot)


def bayes(name="GFZ", samples=2):
    """A tiny stochastic classifier."""
    classifier = tiny(name, samples=samples)
    return Target(
        lambda x, index, seed: classifier.logits(x, classifier.draw(seed, index)),
        classifier.architecture.num_classes,
        lambda x, index, seed: classifier.snapshot_logits(x, classifier.draw(seed, index)),
    )


def build(name, target, targeted=False, **options):
    module = importlib.import_module(ATTACKS[name].module)
    values = ATTACKS[name].defaults("corrected") | QUICK.get(name, {}) | options
    return module.build(target, SimpleNamespace(**values), targeted)


def labels_of(target, x, index=INDEX, seed=0):
    return target.logits(tf.constant(x), tf.constant(index), seed).numpy().argmax(axis=1)


def some_value(name):
    return {"eps": 0.1, "c": 1.0, "pixels": 2, "factor": 0.5, "scale": 0.1}[ATTACKS[name].parameter]


# ---- all of them ----


@pytest.mark.parametrize("name", ATTACKS)
def test_images_stay_within_budget_range_and_shape_and_a_repetition_gives_the_same(name):
    value, target = some_value(name), bayes()
    craft = build(name, target)
    attacked = craft(X, Y, INDEX, value, 3)
    assert attacked.shape == X.shape
    assert attacked.dtype == np.float32
    assert np.isfinite(attacked).all()
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    change = np.abs(attacked - X).reshape(6, -1)
    if ATTACKS[name].norm == "Linf":
        assert change.max() <= value + 1e-6
    if ATTACKS[name].norm == "L0":
        assert (change > 0).sum(axis=1).max() <= value
    np.testing.assert_array_equal(attacked, craft(X, Y, INDEX, value, 3))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_image_is_attacked_alike_in_any_order_and_company(name):
    """Whatever is random is drawn by (seed, position), so that resumption and sharding change nothing."""
    craft, order = build(name, bayes("DBX")), np.array([4, 2, 0, 2, 5, 5])
    together = craft(X, Y, INDEX, some_value(name), 3)
    shuffled = craft(X[order], Y[order], INDEX[order], some_value(name), 3)
    off = np.abs(together[order] - shuffled) > 1e-4
    assert off.reshape(6, -1).mean(axis=1).max() < 0.05  # of any image: a gradient near 0 may flip its sign


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("classes", [2, 3])
def test_every_attack_takes_two_classes(name, classes):
    target = linear(classes)
    attacked = build(name, target)(X, labels_of(target, X).astype(np.int32), INDEX, some_value(name), 0)
    assert attacked.shape == X.shape
    assert np.isfinite(attacked).all()


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.norm == "Linf"])
def test_a_budget_of_zero_changes_nothing(name):
    np.testing.assert_array_equal(build(name, linear())(X, Y, INDEX, 0.0, 0), X)


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.norm == "Linf" or n == "cw"])
def test_a_large_budget_breaks_a_linear_victim_and_a_target_is_reached(name):
    target, options = linear(), {"queries": 200} if name == "square" else {"steps": 60} if name != "fgsm" else {}
    value = 100.0 if name == "cw" else 0.4
    options |= {"learning_rate": 0.05} if name == "cw" else {"step_size": 0.05} if name in ("pgd", "mim", "wbs") else {}
    labels = labels_of(target, X).astype(np.int32)
    attacked = build(name, target, **options)(X, labels, INDEX, value, 0)
    assert np.all(labels_of(target, attacked) != labels)
    wanted = (labels + 1) % 3
    reached = build(name, target, targeted=True, **options)(X, wanted, INDEX, value, 0)
    assert np.mean(labels_of(target, reached) == wanted) >= (0.5 if name == "square" else 1.0)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X + 0.5, Y, r"in \[0, 1\]"),
        (np.full_like(X, np.nan), Y, r"in \[0, 1\]"),
        (X, Y[:5], "6 integer labels"),
        (X, Y.astype(np.float32), "6 integer labels"),
        (X, Y + 7, "labels run from"),
    ],
)
def test_bad_batches_are_refused(name, x, y, message):
    with pytest.raises(ValueError, match=message):
        build(name, linear())(x, y, INDEX, some_value(name), 0)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_budgets_are_refused(name, value):
    with pytest.raises(ValueError, match=r"must be|whole number|cannot convert"):
        build(name, linear())(X, Y, INDEX, value, 0)


def test_victims_of_one_class_and_targets_that_are_the_label_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        linear(1)
    with pytest.raises(ValueError, match="1 of 3 targets equal"):
        check_targets([0, 1, 2], [1, 1, 1])


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if any(o.name == "eot" for o in a.options)])
def test_averaging_over_draws_changes_nothing_on_a_deterministic_victim(name):
    one, many = (build(name, linear(), eot=n)(X, Y, INDEX, some_value(name), 0) for n in (1, 4))
    np.testing.assert_allclose(one, many, atol=1e-5)


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if any(o.name == "eot" for o in a.options)])
def test_averaging_over_draws_does_change_a_stochastic_victims_gradient(name):
    one, many = (build(name, bayes(), eot=n)(X, Y, INDEX, some_value(name), 0) for n in (1, 4))
    assert np.any(np.abs(one - many) > 1e-4)


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if any(o.name == "noise" for o in a.options)])
def test_frozen_noise_and_fresh_noise_are_two_things_on_a_stochastic_victim_only(name):
    for target, differ in ((bayes(), True), (linear(), False)):
        fresh, frozen = (build(name, target, noise=n)(X, Y, INDEX, some_value(name), 0) for n in ("fresh", "frozen"))
        assert np.any(np.abs(fresh - frozen) > 1e-4) == differ


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.needs != NOTHING])
def test_progress_adds_up_to_one_batch_at_most(name):
    heard = []
    build(name, bayes())(X, Y, INDEX, some_value(name), 0, heard.append)
    assert 0 < sum(heard) <= 1 + 1e-6


# ---- by CleverHans ----


@pytest.mark.parametrize("loss", ["log-odds", "cross-entropy"])
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("eps", [0.0, 0.003, 0.1, 0.3, 1.0])
def test_fgsm_equals_cleverhans(loss, targeted, eps):
    target = bayes()
    library = fast_gradient_method(
        lambda v: target.logits(v, INDEX, 5), tf.constant(X), eps, np.inf, loss_fn=LOSSES[loss], clip_min=0.0,
        clip_max=1.0, y=tf.constant(Y), targeted=targeted,
    )  # fmt: skip
    ours = build("fgsm", target, targeted, loss=loss)(X, Y, INDEX, eps, 5)
    np.testing.assert_allclose(ours, library, atol=1e-6)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("eps", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("name", ["pgd", "mim"])
def test_pgd_and_mim_equal_cleverhans_at_their_defaults(name, eps, targeted):
    target, steps = bayes(), 12
    function = {"pgd": projected_gradient_descent, "mim": momentum_iterative_method}[name]
    library = function(
        lambda v: target.logits(v, INDEX, 5), tf.constant(X), eps, eps_iter=0.01, nb_iter=steps, norm=np.inf,
        clip_min=0.0, clip_max=1.0, y=tf.constant(Y), targeted=targeted, sanity_checks=False,
        **({"rand_init": False} if name == "pgd" else {"decay_factor": 1.0}),
    )  # fmt: skip
    options = {"start": "image"} if name == "pgd" else {}
    ours = build(name, target, targeted, steps=steps, noise="frozen", loss="cross-entropy", **options)
    np.testing.assert_allclose(ours(X, Y, INDEX, eps, 5), library, atol=1e-6)


# ---- each by itself ----


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 0.009), st.integers(0, 5))
def test_a_budget_below_the_step_is_kept(eps, seed):
    attacked = CRAFT_PGD(X, Y, INDEX, eps, seed)
    assert np.abs(attacked - X).max() <= eps + 1e-6


CRAFT_PGD = build("pgd", linear())


def test_of_several_restarts_the_best_is_kept_an_image_at_a_time():
    target = bayes("DFX")
    loss = [
        LOSSES["log-odds"](Y, target.logits(tf.constant(build("pgd", target, restarts=r, noise="frozen")(
            X, Y, INDEX, 0.1, 0)), INDEX, 0)).numpy()
        for r in (1, 4)
    ]  # fmt: skip
    assert np.all(loss[1] >= loss[0] - 1e-4)
    assert np.any(loss[1] > loss[0] + 1e-4)


def test_binary_search_finds_a_c_that_works_and_keeps_the_confidence_asked_for():
    target = linear()
    labels = labels_of(target, X).astype(np.int32)
    norms = {}
    for c, search_steps in ((100.0, 1), (1e-3, 1), (1e-3, 8)):
        craft = build("cw", target, steps=80, learning_rate=0.02, search_steps=search_steps, confidence=2.0)
        attacked = craft(X, labels, INDEX, c, 0)
        norms[c, search_steps] = np.linalg.norm((attacked - X).reshape(6, -1), axis=1)
        if (c, search_steps) != (1e-3, 1):
            logits = target.logits(tf.constant(attacked), INDEX, 0).numpy()
            assert np.all(LOSSES["margin"](labels, logits).numpy() >= 2.0 - 1e-4)
    assert not norms[1e-3, 1].any()
    assert np.all(norms[1e-3, 8] > 0)
    assert np.all(norms[1e-3, 8] <= norms[100.0, 1])


def test_cw_returns_the_image_itself_where_it_finds_nothing():
    np.testing.assert_array_equal(build("cw", linear(scale=1e3), steps=2)(X, labels_of(linear(), X), INDEX, 1e-6, 0), X)


def test_cw_that_averages_draws_leaves_less_to_luck():
    """One draw of many fools a noisy victim where the next does not."""
    quiet, x = linear(), np.repeat(X, 5, axis=0)
    noise = lambda x, seed: 1.5 * tf.random.stateless_normal((len(x), 3), [seed, 1])  # noqa: E731
    noisy = Target(lambda x, index, seed: quiet.logits(x, index, seed) + noise(x, seed), 3)
    labels, index = labels_of(quiet, x).astype(np.int32), np.arange(len(x), dtype=np.int32)
    fooled = []
    for eot in (1, 10):
        attacked = build("cw", noisy, steps=100, learning_rate=0.02, eot=eot)(x, labels, index, 10.0, 0)
        others = [labels_of(noisy, attacked, index, seed) != labels for seed in range(1000, 1020)]
        fooled.append(np.mean(others))
    assert fooled[1] > fooled[0] + 0.05


@pytest.mark.parametrize("crosstalk", ["no", "yes"])
def test_wbs_lowers_the_statistic_of_the_detector_that_it_evades(crosstalk):
    target = bayes("GFZ")
    marginal = lambda logits, labels: -tf.reduce_logsumexp(logits, axis=1)  # noqa: E731
    low = marginal(target.logits(tf.constant(X), INDEX, 0), Y).numpy().min() - 10
    target = dataclasses.replace(target, detectors={"marginal": (marginal, np.full(target.classes, low, np.float32))})
    options = {"statistic": "marginal", "crosstalk": crosstalk, "steps": 10}
    found = []
    for weight in (0.0, 1e3):
        attacked = build("wbs", target, lambda_=weight, **options)(X, Y, INDEX, 0.2, 0)
        found.append(marginal(target.logits(tf.constant(attacked), INDEX, 0), Y).numpy().mean())
    assert found[1] < found[0] - 0.1


def test_cw_learning_rates_follow_the_paper():
    assert [cw.learning_rate("by-c", c) for c in (0.1, 1, 10, 100, 1000)] == [0.01, 0.01, 0.01, 0.03, 0.1]
    assert cw.learning_rate(0.5, 100) == 0.5


@pytest.mark.parametrize("pixels", [1, 4])
def test_one_pixel_lowers_the_true_class(pixels):
    target = linear(scale=0.5)
    labels = labels_of(target, X).astype(np.int32)
    craft = build("onepixel", target, population=30, generations=15)
    attacked = craft(X, labels, INDEX, pixels, 0)
    before, after = (
        -LOSSES["cross-entropy"](labels, target.logits(tf.constant(v), INDEX, 0)).numpy() for v in (X, attacked)
    )
    assert np.all(after < before)
    assert np.all((attacked != X).reshape(6, -1).sum(axis=1) <= pixels)


def test_one_pixel_sees_a_difference_where_float32_gives_the_true_class_all_the_probability():
    target = linear(2, scale=60.0)
    labels = labels_of(target, X).astype(np.int32)
    before = LOSSES["log-odds"](labels, target.logits(tf.constant(X), INDEX, 0)).numpy()
    sure = before < -40
    assert sure.any()
    attacked = build("onepixel", target, population=30, generations=15)(X, labels, INDEX, 3, 0)
    after = LOSSES["log-odds"](labels, target.logits(tf.constant(attacked), INDEX, 0)).numpy()
    assert np.all(after[sure] > before[sure] + 1)


def test_one_pixel_finds_the_pixel_that_decides():
    """A victim that looks at one pixel alone."""

    def logits(x, index, seed):
        return tf.stack([10 * x[:, 3, 5, 0] - 5, 0 * x[:, 0, 0, 0]], axis=1)

    x = np.ones_like(X)
    attacked = build("onepixel", Target(logits, 2), population=60, generations=40)(x, Y * 0, INDEX, 1, 0)
    assert np.mean(attacked[:, 3, 5, 0] < 0.5) >= 0.8


def test_pixels_are_set_where_a_candidate_says():
    moved = set_pixels(X[0], np.array([[0.0, 7.9, 0.25, 3.2, 8.0, 2.0]]))
    expected = X[0].copy()
    expected[0, 7], expected[3, 7] = 0.25, 1.0
    np.testing.assert_allclose(moved[0], expected)


def test_the_side_of_the_square_shrinks_as_its_source_says():
    sides = [
        square.square_side(0.8, done, 28, 28) for done in (0.0, 0.0011, 0.006, 0.03, 0.06, 0.15, 0.3, 0.5, 0.7, 0.9)
    ]
    assert sides[0] == 25
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 1


def test_brightness_contrast_and_noise_are_their_formulas():
    np.testing.assert_allclose(build("brightness", linear())(X, Y, INDEX, 1.3, 0), np.clip(1.3 * X, 0, 1), atol=1e-6)
    mean = X.mean(axis=(1, 2), keepdims=True)
    contrast = build("contrast", linear())(X, Y, INDEX, 0.5, 0)
    np.testing.assert_allclose(contrast, mean + 0.5 * (X - mean), atol=1e-6)
    gaussian = build("noise", linear(), kind="gaussian")(X * 0 + 0.5, Y, INDEX, 0.05, 0) - 0.5
    assert gaussian.std() == pytest.approx(0.05, rel=0.15)
