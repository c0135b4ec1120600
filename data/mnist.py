"""MNIST: from a folder of the user's, from Keras's cache, or by Keras's download; the pixels themselves are checked.

Source: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges); the container, an .npz or four idx files, does not
matter.
"""

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np

from data.checks import DataError, Images, check_pixels, from_pixels, pixel_sha256

SHAPE, CLASSES = (28, 28), 10
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = {
    "train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
}
CLASS_COUNTS = {
    "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
}
IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def find(data_dir: Path | None) -> Path | None:
    """The file or folder that holds MNIST: in `data_dir` first, then in Keras's cache; None where neither has it."""
    for folder in [data_dir, data_dir and data_dir / "mnist", keras_cache()]:
        if folder is None:
            continue
        if (folder / "mnist.npz").exists():
            return folder / "mnist.npz"
        if all((folder / f).exists() for files in IDX_FILES.values() for f in files):
            return folder
    return None


def keras_cache() -> Path:
    """Where keras.utils.get_file keeps data sets."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"


def load(part: str, data_dir: Path | None) -> Images:
    """MNIST's "train" (60,000) or "test" (10,000) images.

    Raises:
      DataError: nothing at hand and no download, or the arrays are not MNIST's.
    """
    source = find(data_dir) or download()
    pixels, labels = _read_npz(source, part) if source.suffix == ".npz" else _read_idx(source, part)
    check_pixels(pixels, labels, shape=SHAPE, classes=CLASSES, source=str(source))
    counts = tuple(int(n) for n in np.bincount(labels, minlength=CLASSES))
    if pixel_sha256(pixels) != SHA256[part] or counts != CLASS_COUNTS[part]:
        raise DataError(
            f"{source}: the {part} images or labels are not MNIST's (by sha256 of the pixels and class counts); "
            "delete the file and fetch it again, or take another --data-dir"
        )
    return from_pixels(pixels, labels, f"mnist/{part}")


def download() -> Path:
    """Keras's download into its cache. Raises DataError where the network does not answer."""
    import keras

    try:
        return Path(keras.utils.get_file("mnist.npz", URL))
    except Exception as error:  # get_file raises bare Exception for every network failure
        raise DataError(
            f"MNIST is not at hand and {URL} cannot be reached ({error}); put mnist.npz or the four "
            "idx .gz files into a folder and name it by --data-dir or DEEPBAYES_DATA, or use --dataset mnist5k"
        ) from None


def _read_npz(file: Path, part: str):
    try:
        with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            return arrays[f"x_{part}"], arrays[f"y_{part}"]
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{file}: truncated, or not the mnist.npz of keras.datasets ({error}); delete it and fetch it again"
        ) from None


def _read_idx(folder: Path, part: str):
    return [read_idx(folder / name) for name in IDX_FILES[part]]


def read_idx(file: Path) -> np.ndarray:
    """A gzipped idx file of unsigned bytes. Raises DataError where it is truncated or something else."""
    try:
        raw = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{file}: truncated or not gzip ({error}); delete it and fetch it again") from None
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise DataError(f"{file}: not an idx file of unsigned bytes; delete it and fetch it again")
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if body.size != np.prod(shape):
        raise DataError(f"{file}: truncated, {body.size} bytes of {np.prod(shape)}; delete it and fetch it again")
    return body.reshape(shape)
