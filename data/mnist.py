"""MNIST: from a folder of the user's, from Keras's cache, or by Keras's download; the pixels themselves are checked.

Source: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges); the container, an .npz or four idx files, does not
matter.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np
from deepbayes.data import idx
from deepbayes.data.checks import DataError, Images, check_pixels, check_published, from_pixels
from deepbayes.data.download import fetch, keras_cache

SHAPE, CLASSES = (28, 28), 10
SHA256 = {
    "train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
}
CLASS_COUNTS = {
    "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
}


def find(data_dir: Path | None) -> Path | None:
    """The file or folder that holds MNIST: in `data_dir` first, then in Keras's cache; None where neither has it."""
    for folder in [data_dir, data_dir and data_dir / "mnist", keras_cache()]:
        if folder is None:
            continue
        if (folder / "mnist.npz").exists():
            return folder / "mnist.npz"
        if idx.is_complete(folder):
            return folder
    return None


def load(part: str, data_dir: Path | None) -> Images:
    """MNIST's "train" (60,000) or "test" (10,000) images.

    Raises:
      DataError: nothing at hand and no download, or the arrays are not MNIST's.
    """
    source = find(data_dir) or _download(data_dir)
    pixels, labels = _read_npz(source, part) if source.suffix == ".npz" else idx.read_part(source, part)
    check_pixels(pixels, labels, shape=SHAPE, classes=CLASSES, source=str(source))
    check_published(pixels, labels, SHA256[part], CLASS_COUNTS[part], f"{source}: the {part} images", "MNIST's")
    return from_pixels(pixels, labels, f"mnist/{part}")


def _download(data_dir: Path | None) -> Path:
    cure = (
        "put mnist.npz or the four idx files into a folder and name it by --data-dir or DEEPBAYES_DATA, or use "
        "--dataset mnist5k"
    )
    return fetch("MNIST", ("mnist.npz",), data_dir, "", cure) / "mnist.npz"


def _read_npz(file: Path, part: str):
    try:
        with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            return arrays[f"x_{part}"], arrays[f"y_{part}"]
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{file}: truncated, or not the mnist.npz of keras.datasets ({error}); delete it and fetch it again"
        ) from None
