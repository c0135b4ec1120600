"""`deepbayes.attack`: for one of ours, a Keras model, and any function of logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import deepbayes
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.models.deep_bayes.classifier import DeepBayesClassifier
from helpers import tiny, tiny_images

X, Y = tiny_images(10)


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


def test_one_budget_gives_images_and_a_result():
    images, result = deepbayes.attack("pgd", DeepBayesClassifier(tiny("GFZ", samples=2)), X, Y, eps=0.2, steps=3)
    assert images.shape == X.shape
    assert images.dtype == np.float32
    assert np.abs(images - X).max() <= 0.2 + 1e-6
    assert (result.n, result.settings["options"]["steps"]) == (10, 3)
    assert result.accuracy.n == 10


def test_several_budgets_come_in_the_order_asked_for(net):
    images, results = deepbayes.attack("fgsm", net, X, Y, eps=[0.3, 0.1])
    assert images.shape == (2, *X.shape)
    assert [r.settings["eps"] for r in results] == [0.3, 0.1]
    assert [round(float(np.abs(i - X).max()), 5) for i in images] == [0.3, 0.1]


def test_a_function_is_attacked_as_the_model_it_calls(net):
    ours, _ = deepbayes.attack("pgd", net, X, Y, eps=0.1, steps=4)
    function, _ = deepbayes.attack("pgd", lambda x: net(x, training=False), X, Y, eps=0.1, steps=4)
    np.testing.assert_array_equal(ours, function)


def test_the_direction_is_that_of_the_gradient(net):
    x, kernel = tf.constant(X), net.layers[-1].kernel
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=Y, logits=tf.reshape(x, (10, 64)) @ kernel)
    expected = np.clip(X + 0.1 * np.sign(tape.gradient(loss, x)), 0, 1)
    images, _ = deepbayes.attack("fgsm", net, X, Y, eps=0.1)
    np.testing.assert_allclose(images, expected, atol=1e-6)


def test_seeds_are_heard_and_the_same_seed_gives_the_same(net):
    a, b, c = (deepbayes.attack("pgd", net, X, Y, eps=0.2, steps=1, seed=s)[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("pdg",), {"eps": 0.1}, UsageError, "no attack is called 'pdg'"),
        (("pgd",), {}, UsageError, r"pgd needs its budget: eps=\.\.\."),
        (("pgd",), {"eps": 0.1, "stpes": 3}, UsageError, "pgd has no option --stpes"),
        (("cw",), {"eps": 0.1}, UsageError, r"cw needs its budget: c=\.\.\."),
        (("wbs",), {"eps": 0.1, "statistic": "none"}, UsageError, "needs the logits of each sample"),
    ],
)
def test_what_cannot_be_done_is_said(net, arguments, options, error, message):
    with pytest.raises(error, match=message):
        deepbayes.attack(*arguments, net, X, Y, **options)


def test_images_and_classifiers_that_are_none_are_refused(net):
    with pytest.raises(ValueError, match=r"finite and in \[0, 1\]"):
        deepbayes.attack("fgsm", net, 255 * X, Y, eps=0.1)
    with pytest.raises(ValueError, match="gives probabilities"):
        deepbayes.attack("fgsm", lambda x: tf.nn.softmax(net(x)), X, Y, eps=0.1)
    with pytest.raises(UsageError, match="a Keras model or a function, not a str"):
        deepbayes.attack("fgsm", "net", X, Y, eps=0.1)
