"""An .npz as a data set: x_train, y_train, x_test, y_test, or x, y. Nothing in it is ever unpickled."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepbayes.data.checks import DataError
from deepbayes.data.own.options import shown

_SPLIT, _WHOLE = ("x_train", "y_train", "x_test", "y_test"), ("x", "y")


@dataclass(frozen=True)
class Arrays:
    """Images and labels of one part.

    Attributes:
      part: "train", "test", or None where the file has no parts.
      name: of the images' array.
      x: (N, H, W) or (N, H, W, 3): uint8, or int32 / float32 as stored.
      labels: (N,) numbers of the classes.
    """

    part: str | None
    name: str
    x: np.ndarray
    labels: np.ndarray


def read_arrays(file: Path, has_range: bool) -> tuple[list[Arrays], tuple[str, ...]]:
    """The parts of the file, and the names of the classes: labels as text, in order of the labels.

    Args:
      has_range: whether --range says what is black and white; else x must be uint8, or float in [0, 1].

    Raises:
      DataError: damaged, other arrays, or labels or pixels that do not fit.
    """
    found = _load(file)
    names = _SPLIT if set(_SPLIT) <= set(found) else _WHOLE
    parts = ("train", "test") if names is _SPLIT else (None,)
    where, pairs = shown(file), list(zip(names[::2], names[1::2], strict=True))
    pixels = [_pixels(found[x], f"{where}: {x}", has_range) for x, _ in pairs]
    labels = [_labels(found[y], len(found[x]), f"{where}: {y}") for x, y in pairs]
    if not sum(map(len, labels)):
        raise DataError(f"{where}: holds no images; write it again by numpy.savez")
    if len({y.dtype.kind for y in labels}) > 1:
        raise DataError(f"{where}: y_train holds {labels[0].dtype}, y_test {labels[1].dtype}; store one kind")
    classes = np.unique(np.concatenate(labels))
    numbers = [np.searchsorted(classes, y) for y in labels]
    arrays = [Arrays(part, x, *rest) for part, (x, _), *rest in zip(parts, pairs, pixels, numbers, strict=True)]
    return arrays, tuple(shown(name) for name in classes)


def _load(file) -> dict[str, np.ndarray]:
    try:
        with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as stored:
            wanted = next((names for names in (_SPLIT, _WHOLE) if set(names) <= set(stored.files)), None)
            if wanted is None:
                raise DataError(
                    f"{shown(file)}: holds {', '.join(map(shown, stored.files)) or 'nothing'}; name the arrays "
                    "x_train, y_train, x_test, y_test, or x, y"
                )
            return {name: stored[name] for name in wanted}
    except DataError:
        raise
    except (
        OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, MemoryError, NotImplementedError,
        RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise DataError(
            f"{shown(file)}: truncated, no .npz, or pickled objects ({shown(error)}); write it again by numpy.savez"
        ) from None


def _labels(y, n, where) -> np.ndarray:
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y  # as keras.datasets stores CIFAR-10's
    if y.shape != (n,):
        raise DataError(f"{where}: {n} images but labels of shape {y.shape}; store one label an image")
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "backslashreplace")
    if y.dtype.kind not in "iuU":
        raise DataError(f"{where}: labels are {y.dtype}; store integers or strings")
    if y.dtype.kind in "iu":
        if n and y.min() < 0:
            raise DataError(f"{where}: has the label {y.min()}; leave images without a class out")
        return y.astype(np.int64)
    return y


def _pixels(x, where, has_range) -> np.ndarray:
    if x.ndim == 4 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[-1] != 3) or 0 in x.shape[1:3]:
        raise DataError(f"{where}: has shape {x.shape}; store (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    if x.dtype == np.uint8 or not len(x):
        return x
    if x.dtype.kind not in "biuf" or (x.dtype.kind != "f" and not has_range):
        cure = "" if x.dtype.kind not in "biu" else ", or say which values are black and white by --range LO HI"
        raise DataError(f"{where}: pixels are {x.dtype}; store uint8, or floats in [0, 1]{cure}")
    if x.dtype.kind == "f":
        _check_floats(x, where, has_range)
    return x.astype(np.int32 if np.can_cast(x.dtype, np.int32) else np.float32)


def _check_floats(x, where, has_range):
    if not np.isfinite(x).all():
        raise DataError(f"{where}: {int((~np.isfinite(x)).sum())} pixels are NaN or infinite; repair the images")
    if not has_range and (x.min() < 0 or x.max() > 1):
        raise DataError(
            f"{where}: pixels run from {x.min():g} to {x.max():g}, not 0 to 1; divide them, or say which values are "
            "black and white by --range LO HI"
        )
