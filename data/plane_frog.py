"""CIFAR-binary: airplane (0) against frog (1) of CIFAR-10, in the order in which the 2019 loader gives them.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky), the folder cifar-10-batches-py. The order matters to
whoever holds index files or attack files of 2019: the classes one after the other, then one permutation of the training
part and one of the test part, drawn in that order after a single np.random.seed(0).

What is checked is what the batches hold, image by image and label by label: pickled anew they are CIFAR-10 still.
"""

import hashlib
from pathlib import Path

import numpy as np

from deepbayes.data import safe_pickle
from deepbayes.data.checks import DataError, Images, from_pixels, with_cure
from deepbayes.data.download import fetch_archive, keras_cache

SHAPE, CLASSES = (32, 32, 3), 2
CIFAR_CLASSES = (0, 6)
FOLDER = "cifar-10-batches-py"
FILES = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}
SHA1 = {
    "data_batch_1": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
    "data_batch_2": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
    "data_batch_3": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
    "data_batch_4": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
    "data_batch_5": "26e2849e66a845b7f1e4614ae70f4889ae604628",
    "test_batch": "67eb016db431130d61cd03c7ad570b013799c88c",
}
"""Of each batch in CIFAR-10's binary version, a row an image: the label, then 3,072 pixels. Apache MXNet publishes them
(python/mxnet/gluon/data/vision/datasets.py)."""
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
"""Of the archive at URL, which says so on its page."""


def order(labels_train, labels_test, classes=CIFAR_CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Positions in CIFAR-10's training and test part, in the 2019 loader's order."""
    positions = [np.concatenate([np.flatnonzero(y == c) for c in classes]) for y in (labels_train, labels_test)]
    random = np.random.RandomState(0)
    return tuple(p[random.permutation(len(p))] for p in positions)


def load(part: str, data_dir: Path | None) -> Images:
    """CIFAR-binary's "train" (10,000) or "test" (2,000) images.

    Raises:
      DataError: nothing at hand and no download, or a batch is damaged.
    """
    folder = find(data_dir) or _download(data_dir)
    with with_cure("unpack cifar-10-python.tar.gz again, or point --data-dir (or DEEPBAYES_DATA) elsewhere"):
        batches = {p: [_read_batch(folder / f) for f in files] for p, files in FILES.items()}
    labels = {p: np.concatenate([y for _, y in b]) for p, b in batches.items()}
    chosen = dict(zip(("train", "test"), order(labels["train"], labels["test"]), strict=True))[part]
    flat = np.concatenate([x for x, _ in batches[part]])[chosen]
    pixels = flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    y = np.searchsorted(CIFAR_CLASSES, labels[part][chosen])
    return from_pixels(pixels, y, f"plane_frog/{part}")


def find(data_dir: Path | None) -> Path | None:
    """The folder that holds CIFAR-10's batches, or some of them: `data_dir`'s first; None where there is none."""
    kept = keras_cache()
    folders = [data_dir and data_dir / FOLDER, data_dir, kept / FOLDER, kept / f"{FOLDER}-target" / FOLDER]
    return next((f for f in folders if f and any((f / name).exists() for name in SHA1)), None)


def _download(data_dir: Path | None) -> Path:
    otherwise = (
        f"unpack cifar-10-python.tar.gz into a folder and name the folder that holds {FOLDER}/ by --data-dir or "
        "DEEPBAYES_DATA"
    )
    return fetch_archive("CIFAR-10, which plane_frog needs,", URL, ARCHIVE_MD5, data_dir, FOLDER, otherwise)


def _read_batch(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (10,000, 3,072) and labels (10,000,), both uint8.

    CIFAR-10 comes as pickles: nothing but data is admitted, and only the published images.
    """
    try:
        batch = safe_pickle.load(file, encoding="latin1")
        labels = np.asarray(batch["labels"], np.int64).astype(np.uint8)
        rows = np.concatenate([labels[:, None], batch["data"]], axis=1)
    except safe_pickle.UnreadablePickle as error:
        raise DataError(error) from None
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{file}: not a CIFAR-10 batch ({error})") from None
    if hashlib.sha1(rows.tobytes(), usedforsecurity=False).hexdigest() != SHA1[file.name]:
        raise DataError(f"{file}: its images or labels are not those of CIFAR-10 (by their SHA-1)")
    return rows[:, 1:], rows[:, 0]
