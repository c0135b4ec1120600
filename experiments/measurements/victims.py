"""Victims: whatever is attacked, seen as images -> logits.

A deep Bayes classifier draws fresh noise for every (seed, image); any other Keras model is deterministic and ignores
both.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.device import on_gpu
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import Protocol
from deepbayes.models import zoo
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.files import file_sha256

DROP = 5e-5
"""Share of an image's weight over samples and classes that attack gradients leave out: less than 1e-3 of the
gradient's norm on every golden file and trained classifier."""


@dataclass(frozen=True)
class Victim:
    """A classifier under attack.

    Attributes:
      name: in tables and paths.
      logits: (x, index, seed) -> (N, C) log-probabilities up to a constant per image, in nats; never probabilities.
      settings: what identifies it in a result: weights' sha256, K, sizes.
      stochastic: whether another seed gives other logits.
      snapshot: (x, index, seed) -> (K, N, C), the logits of each sample alone, where the classifier has samples.
      cheap_logits, cheap_snapshot: the same with a gradient that leaves out what carries no weight, which attacks
        follow unless they are asked for the full one; None where there is no cheaper one.
      bound: (x, labels, index, seed) -> (N,) nats, where the classifier has one.
      models_x: whether its logits hold a density of x, which marginal and logit detection need.
      trained_on: data set and part, such as "mnist5k/train". weights: the file, where it is one of ours.
    """

    name: str
    logits: Callable
    settings: dict
    stochastic: bool
    snapshot: Callable | None = None
    cheap_logits: Callable | None = None
    cheap_snapshot: Callable | None = None
    bound: Callable | None = None
    models_x: bool = False
    trained_on: str = ""
    weights: Path | None = None


def deep_bayes_victim(
    dataset: str, name: str, *, samples: int, protocol: Protocol, weights: Path | None = None, dim_z: int | None = None
) -> Victim:
    """A trained deep Bayes classifier. Raises as `zoo.load_classifier`."""
    file = zoo.weight_file(dataset, name, weights, dim_z)
    classifier = zoo.load_classifier(dataset, name, weights, dim_z, samples=samples, **protocol.classifier_options())
    return classifier_victim(
        classifier, zoo.file_stem(dataset, name, dim_z), file_sha256(file), zoo.read_card(file)["data"]["name"], file
    )


def classifier_victim(
    classifier: DeepBayes, name: str, weights_sha256: str, trained_on: str, weights: Path | None = None
) -> Victim:
    """A deep Bayes classifier as a victim: noise drawn by (seed, position of the image)."""
    sizes = classifier.architecture

    def logits(x, index, seed, drop=0.0):
        return classifier.logits(x, classifier.draw(seed, index), drop)

    def snapshot(x, index, seed, drop=0.0):
        return classifier.snapshot_logits(x, classifier.draw(seed, index), drop)

    def bound(x, labels, index, seed):
        noise = classifier.draw(seed, index)
        own = tf.gather(tf.transpose(noise, (2, 1, 0, 3)), labels, axis=1, batch_dims=1)  # (N, K, Z): the true class's
        return classifier.bound(x, labels, tf.transpose(own, (1, 0, 2)))

    settings = {"weights_sha256": weights_sha256, "samples": classifier.samples, "dim_z": sizes.dim_z}
    settings["likelihood"] = classifier.likelihood
    models_x = classifier.factorisation.models_x
    cheap = {}
    if models_x and sizes.is_image and not on_gpu():  # there XLA would compile for every number of pairs
        cheap = {"cheap_logits": partial(logits, drop=DROP), "cheap_snapshot": partial(snapshot, drop=DROP)}
    facts = {"models_x": models_x, "trained_on": trained_on, "weights": weights}
    return Victim(name, logits, settings, True, snapshot, bound=bound, **cheap, **facts)


def chosen_victims(
    options: argparse.Namespace, dataset: str, protocol: Protocol, names: list[str] | None = None
) -> list[tuple[str, Callable[[], Victim]]]:
    """(name, loader) of every --classifiers, or of `names`; weights that cannot be used are refused before any work."""
    o, names = options, names or options.classifiers
    for name in names:
        zoo.usable_card(dataset, name, o.weights, o.dim_z)

    def loader(name):
        return lambda: deep_bayes_victim(
            dataset, name, samples=o.samples, protocol=protocol, weights=o.weights, dim_z=o.dim_z
        )

    return [(name, loader(name)) for name in names]


def keras_victim(file: Path, dataset: str) -> Victim:
    """A user's Keras model of logits.

    Raises:
      UsageError: it cannot be read, does not take the data set's images, gives another number of classes, NaN, or
        probabilities (a softmax at the end): with probabilities as logits gradients vanish and attacks look weak.
    """
    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever the file's format raised
        raise UsageError(f"{file} cannot be read as a Keras model: {error}") from None
    information = DATASETS[dataset]
    x = np.random.default_rng(0).uniform(size=(8, *information.shape)).astype(np.float32)
    try:
        logits = np.asarray(model(x, training=False))
    except Exception as error:
        raise UsageError(f"{file} does not take images of shape {information.shape}: {error}") from None
    check_logits(logits, len(x), information.classes, str(file))

    def victim(x, index, seed):
        return model(x, training=False)

    settings = {"weights_sha256": file_sha256(file)}
    return Victim(file.stem, victim, settings, stochastic=False, trained_on=f"{dataset}/train")


def check_logits(logits, n: int, classes: int, source: str) -> None:
    """Raises UsageError unless `logits` is a finite (n, classes) array that is not one of probabilities."""
    if logits.shape != (n, classes):
        raise UsageError(f"{source} gives an output of shape {logits.shape[1:]}, not {classes} logits an image")
    if not np.isfinite(logits).all():
        raise UsageError(f"{source} gives NaN or infinite logits")
    if logits.min() >= 0 and np.allclose(logits.sum(axis=1), 1, atol=1e-4):
        raise UsageError(f"{source} gives probabilities; attacks need logits: leave out the softmax at its end")
