"""MNIST: from a folder of the user's, from Keras's cache, or by Keras's download; pixels and labels are checked.

Source: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges); the container, an .npz or four idx files, does not
matter.
"""

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from deepbayes.data import idx
from deepbayes.data.checks import DataError, Images, check_published, from_pixels, with_cure
from deepbayes.data.download import cure, fetch, keras_cache

SHAPE, CLASSES = (28, 28), 10
SHA256 = {
    "train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
}
"""Of the pixels."""
LABELS_SHA256 = {
    "train": "e474323ac02fc156161b0bbb1f8c9cfeb327a74bcd9f9680a8385269a24f566c",
    "test": "2fd8de6bdb8d11780b4b96dc57847bcfe6953f7c32aa48bfcd8237c3b7847243",
}
"""See checks.labels_sha256; of labels whose idx files have the MD5s under which they are passed on."""
TO_HAVE_IT = "put mnist.npz or the four idx files into a folder and name it by --data-dir or DEEPBAYES_DATA"
_OR_EMBEDDED = f"{TO_HAVE_IT}, or use --dataset mnist5k"


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
    """MNIST's "train" (60,000) or "test" (10,000) images. Raises as read."""
    return from_pixels(*read(part, data_dir), f"mnist/{part}")


def read(part: str, data_dir: Path | None, otherwise: str = _OR_EMBEDDED) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 28, 28) uint8 and labels (N,) of "train" or "test".

    Args:
      otherwise: what the user may do where MNIST is not at hand.

    Raises:
      DataError: nothing at hand and no download, or the arrays are not MNIST's.
    """
    source = find(data_dir) or fetch("MNIST", ("mnist.npz",), data_dir, "", otherwise) / "mnist.npz"
    npz = source.suffix == ".npz"
    elsewhere = "for MNIST point --data-dir (or DEEPBAYES_DATA) elsewhere"
    with with_cure(cure(source, f"images of your own are named by --data {source}; {elsewhere}" if npz else elsewhere)):
        pixels, labels = _read_npz(source, part) if npz else idx.read_part(source, part)
        files = (source, source) if npz else idx.files(source, part)
        check_published(pixels, labels, (SHA256[part], LABELS_SHA256[part]), files, f"MNIST's {part} part")
    return pixels, labels


def _read_npz(file: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    shape = idx.SHAPES[part]
    try:
        with zipfile.ZipFile(file) as arrays:
            return (
                _array(arrays, f"x_{part}", shape, np.uint8),
                _array(arrays, f"y_{part}", shape[:1], np.integer),
            )
    except Exception as error:  # a damaged zip file, or header of an array, can raise anything
        raise DataError(f"{file}: truncated, or not the mnist.npz of keras.datasets ({error})") from None


_HEADER = 10_000
"""Bytes; more than any description of an array takes."""
_DESCRIPTIONS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """An array of an .npz that is not believed: no more is read than the shape and kind that are expected take."""
    with archive.open(f"{name}.npy") as member:
        head = io.BytesIO(member.read(_HEADER))
        declared, fortran, dtype = _DESCRIPTIONS[np.lib.format.read_magic(head)](head)
        if declared != shape or not np.issubdtype(dtype, kind):
            raise ValueError(f"{name} is {dtype} of shape {declared}, not {kind.__name__} of {shape}")
        size = math.prod(shape) * dtype.itemsize
        body = head.read()
        body += member.read(max(0, size + 1 - len(body)))
    if len(body) != size:
        raise ValueError(f"{name} does not have the {size} bytes that it declares")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
