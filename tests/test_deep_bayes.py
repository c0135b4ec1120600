import numpy as np
import pytest
import tensorflow as tf

from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, SEVEN_NAMES
from deepbayes.models.deep_bayes.model import DeepBayes
from helpers import tiny, tiny_images

X, Y = tiny_images(6)


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_importance_sampling_finds_the_marginal_that_plain_sampling_of_the_prior_finds(name):
    """log p(x, y) by q(z|x, y) and by z ~ p(z|.) are two estimates of one number."""
    classifier = tiny(name)
    x, y = X[:2], classifier.one_hot(Y[:2])
    noise = tf.random.stateless_normal((20_000, 2, 4), (1, 2))
    by_q = classifier.bound(x, Y[:2], noise)
    prior = classifier.factorisation.z
    z = noise
    if prior:
        p_z = classifier._normal(classifier._head("p_z", prior, x=x, y=y)).distribution
        z = p_z.loc + p_z.scale * noise
    terms = classifier.log_terms(x, y, z)
    by_prior = tf.reduce_logsumexp(terms.get("x", 0.0) + terms["y"] + tf.zeros(20_000)[:, None], axis=0)
    np.testing.assert_allclose(by_q, by_prior - np.log(20_000), atol=0.05)


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_the_importance_weighted_bound_is_at_least_the_mean_of_one_sample_bounds(name):
    classifier = tiny(name)
    noise = tf.random.stateless_normal((7, 6, 4), (1, 2))
    single = classifier.log_weights(X, classifier.one_hot(Y), noise)
    assert np.all(classifier.bound(X, Y, noise) >= tf.reduce_mean(single, axis=0) - 1e-4)


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_the_true_class_logit_is_the_bound_at_the_same_noise(name):
    classifier = tiny(name)
    noise = classifier.draw(0, range(6))
    logits = classifier.logits(X, noise).numpy()
    own = np.stack([noise.numpy()[:, c, n] for n, c in enumerate(Y)], axis=1)
    np.testing.assert_allclose(logits[np.arange(6), Y], classifier.bound(X, Y, own), rtol=1e-5)


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_logits_do_not_depend_on_the_batch(name):
    classifier = tiny(name)
    together = classifier.logits(X, classifier.draw(0, range(6)))
    parts = [classifier.logits(X[i : i + 1], classifier.draw(0, [i])) for i in range(6)]
    np.testing.assert_allclose(together, tf.concat(parts, 0), rtol=1e-5, atol=1e-5)


def test_calling_a_classifier_gives_logits_in_nats_and_the_same_again():
    classifier = tiny("GFZ", samples=3, seed=5)
    np.testing.assert_array_equal(classifier(X), classifier(X))
    np.testing.assert_allclose(classifier(X), classifier.logits(X, classifier.draw(5, range(6), 3)), rtol=1e-6)
    assert classifier(X).shape == (6, 3)
    assert np.all(np.array(classifier(X)) < 0)


def test_keras_predicts_with_a_classifier_as_it_is():
    classifier = tiny("DBX")
    np.testing.assert_allclose(classifier.predict(X, verbose=0), classifier(X), rtol=1e-4, atol=1e-4)


def test_modes_of_z():
    classifier = tiny("GBZ")
    mean = classifier.logits(X, np.zeros((1, 3, 6, 4), np.float32))
    np.testing.assert_allclose(classifier.logits_at_mean(X), mean, rtol=1e-5)
    assert classifier.logits_at_zero(X).shape == (6, 3)
    assert classifier.snapshot_logits(X, classifier.draw(0, range(6), 5)).shape == (5, 6, 3)


def test_the_2019_prior_shifts_all_logits_alike():
    uniform, tenth = tiny("GFY"), tiny("GFY", log_prior_y=float(np.log(0.1)))
    shift = np.array(tenth(X) - uniform(X))
    np.testing.assert_allclose(shift, np.log(0.1) - np.log(1 / 3), atol=1e-4)


@pytest.mark.parametrize("name", ["DFX", "DBX"])
def test_classifiers_without_a_density_have_no_pictures(name):
    with pytest.raises(ValueError, match="no decoder"):
        tiny(name).reconstruct(X, Y)


@pytest.mark.parametrize("name", ["GFZ", "GFY", "GBZ", "GBY", "DFZ"])
def test_reconstructions_and_samples_are_images(name):
    classifier = tiny(name)
    noise = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    for images in (classifier.reconstruct(X, Y), classifier.generate(Y, noise)):
        assert images.shape == X.shape
        assert 0 < np.min(images) < np.max(images) < 1


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="unknown likelihood 'l3'; known: l2, l1"):
        DeepBayes(FACTORISATIONS["GFZ"], ARCHITECTURES["tiny"], likelihood="l3")
    with pytest.raises(ValueError, match="samples"):
        DeepBayes(FACTORISATIONS["GFZ"], ARCHITECTURES["tiny"], samples=0)
