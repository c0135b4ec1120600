"""Any Keras model of logits, a user's file among them, as a `Classifier`: deterministic, without samples or density."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from deepbayes.models.classifier import Classifier
from deepbayes.models.files import FileError, file_sha256


class KerasClassifier(Classifier):
    """Images (N, H, W, ch) -> logits (N, C) by a Keras model.

    Attributes:
      model: the Keras model, called with training=False.
    """

    def __init__(self, model: keras.Model, name: str, classes: int, shape: tuple[int, ...] | None = None):
        super().__init__(name, shape or tuple(model.input_shape[1:]), classes)
        self.model = model

    def logits(self, x, index, seed):
        return self.model(x, training=False)


class CallableClassifier(Classifier):
    """Images (N, H, W, ch) -> logits (N, C) by any function that TensorFlow can differentiate."""

    def __init__(self, function: Callable, name: str, classes: int, shape: tuple[int, ...]):
        super().__init__(name, shape, classes)
        self._function = function

    def logits(self, x, index, seed):
        return self._function(x)


class BadLogits(FileError):
    """A model's output is not logits; the message says what it is."""


def load_keras_classifier(file: Path, shape: tuple[int, ...], classes: int, trained_on: str = "") -> KerasClassifier:
    """A user's Keras model of logits.

    Raises:
      FileError: it cannot be read, or does not take images of this shape.
      BadLogits: as `check_logits`: with probabilities as logits gradients vanish and attacks look weak.
    """
    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever the file's format raised
        raise FileError(f"{file} cannot be read as a Keras model: {error}") from None
    x = np.random.default_rng(0).uniform(size=(8, *shape)).astype(np.float32)
    try:
        logits = np.asarray(model(x, training=False))
    except Exception as error:
        raise FileError(f"{file} does not take images of shape {shape}: {error}") from None
    check_logits(logits, len(x), classes, str(file))
    classifier = KerasClassifier(model, file.stem, classes, shape)
    classifier.settings, classifier.trained_on = {"weights_sha256": file_sha256(file)}, trained_on
    return classifier


def check_logits(logits, n: int, classes: int, source: str) -> None:
    """Raises BadLogits unless `logits` is a finite (n, classes) array that is not one of probabilities."""
    if logits.shape != (n, classes):
        raise BadLogits(f"{source} gives an output of shape {logits.shape[1:]}, not {classes} logits an image")
    if not np.isfinite(logits).all():
        raise BadLogits(f"{source} gives NaN or infinite logits")
    if logits.min() >= 0 and np.allclose(logits.sum(axis=1), 1, atol=1e-4):
        raise BadLogits(f"{source} gives probabilities; attacks need logits: leave out the softmax at its end")
