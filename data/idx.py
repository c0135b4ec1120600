"""The format of MNIST and of the sets made in its likeness: four idx files under the same names, gzipped or not.

Source of the format: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from deepbayes.data.checks import DataError

FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
"""As they are published; without .gz where somebody unzipped them."""
SHAPES = {"train": (60_000, 28, 28), "test": (10_000, 28, 28)}
"""Of the pixels of each part; there are as many labels."""
_GZIP = b"\x1f\x8b"


def is_complete(folder: Path) -> bool:
    """Whether `folder` holds all four files."""
    return all(_file(folder, name).exists() for names in FILES.values() for name in names)


def files(folder: Path, part: str) -> tuple[Path, Path]:
    """The files of the pixels and of the labels of "train" or "test"."""
    images, labels = FILES[part]
    return _file(folder, images), _file(folder, labels)


def read_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 28, 28) and labels (N,) of "train" or "test". Raises as read_file."""
    images, labels = files(folder, part)
    return read_file(images, SHAPES[part]), read_file(labels, SHAPES[part][:1])


def _file(folder: Path, name: str) -> Path:
    unzipped = folder / name.removesuffix(".gz")
    return unzipped if unzipped.exists() and not (folder / name).exists() else folder / name


def read_file(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An idx file of unsigned bytes, gzipped or not, of the shape that is expected.

    No more than one byte beyond that is read, whatever the file declares or unzips to.

    Raises:
      DataError: it is truncated, too long, of another shape, or something else. The cure is the caller's.
    """
    start = 4 + 4 * len(shape)
    size = start + math.prod(shape)
    try:
        with open(file, "rb") as handle:
            zipped = handle.read(2) == _GZIP
            handle.seek(0)
            raw = (gzip.GzipFile(fileobj=handle) if zipped else handle).read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: truncated or not gzip ({error})") from None
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise DataError(f"{file}: not an idx file of unsigned bytes")
    declared = tuple(np.frombuffer(raw, ">i4", count=raw[3], offset=4).tolist())
    if declared != shape:
        raise DataError(f"{file}: holds an array of shape {declared}, not {shape}")
    if len(raw) != size:
        state = "truncated" if len(raw) < size else "too long"
        raise DataError(f"{file}: {state}, {len(raw) - start} bytes or more of {size - start}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
