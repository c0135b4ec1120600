"""What every image set must satisfy before anything uses it; a failure is one clear error that names file and cure."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np


class DataError(ValueError):
    """Images or labels are missing, damaged or not what their name promises. The message says what to do."""


class NotAtHand(DataError):
    """Images are missing, and could not be fetched."""


@dataclass(frozen=True)
class Images:
    """Images and labels of one part of a data set.

    Attributes:
      x: (N, H, W, ch) float32 in [0, 1].
      y: (N,) int64 in 0 .. C-1.
      index: (N,) int64, positions in the part as published. Noise is drawn per position, so a subset keeps its noise.
      name: data set and part, such as "mnist/test".
      sha256: of the pixel bytes of the whole part, in hex.
    """

    x: np.ndarray
    y: np.ndarray
    index: np.ndarray
    name: str
    sha256: str

    def __len__(self) -> int:
        return len(self.y)

    def take(self, positions) -> "Images":
        """The images at these positions (array or slice); `index` and `sha256` stay those of the whole part."""
        return Images(self.x[positions], self.y[positions], self.index[positions], self.name, self.sha256)

    def spread(self, n: int | None) -> "Images":
        """n images at even distances (so that parts sorted by class stay balanced); None takes all."""
        if n is None or n >= len(self):
            return self
        if n < 1:
            raise DataError(f"the number of images must be at least 1, not {n}")
        return self.take(spread_positions(n, len(self)))


def spread_positions(n: int, of: int) -> np.ndarray:
    """Where n at even distances stand among so many."""
    return np.arange(n) * of // n


def check_labels(labels, n: int, classes: int, source: str) -> None:
    """Raises DataError unless labels are n integers in 0 .. classes-1, one at least."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{source}: labels are {labels.dtype}, not integers; number the classes from 0")
    if labels.shape != (n,):
        raise DataError(f"{source}: {n} images but labels of shape {labels.shape}; give one label an image")
    if n == 0:
        raise DataError(f"{source}: holds no images; give one at least")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise DataError(f"{source}: labels run from {low} to {high}, not 0..{classes - 1}; number the classes from 0")


def check_published(pixels, labels, sha256: tuple[str, str], files: tuple, whose: str) -> None:
    """Raises DataError unless these are the very pixels, and the very labels, that were published.

    Args:
      sha256: of the pixels, and of the labels (see `labels_sha256`).
      files: the file of the pixels and the file of the labels, which may be the same.
      whose: the data set and part, such as "MNIST's test part".
    """
    if pixel_sha256(pixels) != sha256[0]:
        raise DataError(f"{files[0]}: its pixels are not those of {whose} (by their sha256)")
    if labels_sha256(labels) != sha256[1]:
        raise DataError(f"{files[1]}: its labels are not those of {whose} (by their sha256)")


@contextmanager
def with_cure(cure: str) -> Iterator[None]:
    """Adds to a DataError raised inside what the user can do about it: the checks know the cause alone."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{error}; {cure}") from None


def check_images(x, y, *, shape, classes: int, source: str) -> None:
    """Raises DataError unless x is (N, *shape) finite float in [0, 1] and y fits: what every loader must give."""
    if not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"{source}: images are {x.dtype}, not floats in [0, 1]; divide bytes by 255")
    if x.shape[1:] != tuple(shape):
        raise DataError(f"{source}: images have shape {x.shape[1:]}, not {tuple(shape)}")
    check_labels(y, len(x), classes, source)
    if not np.isfinite(x).all():
        raise DataError(f"{source}: {int((~np.isfinite(x)).sum())} pixels are NaN or infinite; repair the images")
    if x.min() < 0 or x.max() > 1:
        raise DataError(f"{source}: pixels run from {x.min():g} to {x.max():g}, not 0 to 1; divide bytes by 255")


def pixel_sha256(pixels) -> str:
    """In hex, of the bytes of uint8 pixels in C order."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def labels_sha256(labels) -> str:
    """In hex, of integer labels (N,) as little-endian int64: one encoding for any number of classes."""
    return hashlib.sha256(np.asarray(labels).astype("<i8").tobytes()).hexdigest()


def from_pixels(pixels, labels, name: str) -> Images:
    """uint8 pixels (N, H, W) or (N, H, W, ch) as Images."""
    x = (pixels.reshape(*pixels.shape[:3], -1) / np.float32(255)).astype(np.float32)
    return Images(x, labels.astype(np.int64), np.arange(len(labels)), name, pixel_sha256(pixels))
