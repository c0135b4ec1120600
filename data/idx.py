"""The format of MNIST and of the sets made in its likeness: four idx files under the same names, gzipped or not.

Source of the format: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges).
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
from deepbayes.data.checks import DataError

FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
"""As they are published; without .gz where somebody unzipped them."""
_GZIP = b"\x1f\x8b"


def is_complete(folder: Path) -> bool:
    """Whether `folder` holds all four files."""
    return all(_file(folder, name).exists() for names in FILES.values() for name in names)


def read_part(folder: Path, part: str) -> list[np.ndarray]:
    """Pixels and labels of "train" or "test". Raises as read_file."""
    return [read_file(_file(folder, name)) for name in FILES[part]]


def _file(folder: Path, name: str) -> Path:
    unzipped = folder / name.removesuffix(".gz")
    return unzipped if unzipped.exists() and not (folder / name).exists() else folder / name


def read_file(file: Path) -> np.ndarray:
    """An idx file of unsigned bytes, gzipped or not. Raises DataError where it is truncated or something else."""
    try:
        raw = file.read_bytes()
        raw = gzip.decompress(raw) if raw.startswith(_GZIP) else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: truncated or not gzip ({error}); delete it and fetch it again") from None
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise DataError(f"{file}: not an idx file of unsigned bytes; delete it and fetch it again")
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if body.size != np.prod(shape):
        raise DataError(f"{file}: truncated, {body.size} bytes of {np.prod(shape)}; delete it and fetch it again")
    return body.reshape(shape)
