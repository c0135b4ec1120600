"""CIFAR-binary: airplane (0) against frog (1) of CIFAR-10, in the order in which the 2019 loader gives them.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky), the folder cifar-10-batches-py. The order matters to
whoever holds index files or attack files of 2019: the classes one after the other, then one permutation of the training
part and one of the test part, drawn in that order after a single np.random.seed(0).
"""

import hashlib
from pathlib import Path

import numpy as np
from deepbayes.data import safe_pickle
from deepbayes.data.checks import DataError, Images, NotAtHand, from_pixels

SHAPE, CLASSES = (32, 32, 3), 2
CIFAR_CLASSES = (0, 6)
FOLDER = "cifar-10-batches-py"
FILES = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""Of the files, as torchvision 0.20.1 publishes them (datasets/cifar.py)."""


def order(labels_train, labels_test, classes=CIFAR_CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """Positions in CIFAR-10's training and test part, in the 2019 loader's order."""
    positions = [np.concatenate([np.flatnonzero(y == c) for c in classes]) for y in (labels_train, labels_test)]
    random = np.random.RandomState(0)
    return tuple(p[random.permutation(len(p))] for p in positions)


def load(part: str, data_dir: Path | None) -> Images:
    """CIFAR-binary's "train" (10,000) or "test" (2,000) images.

    Raises:
      DataError: the folder is missing, or a batch is damaged.
    """
    folder = _find(data_dir)
    batches = {p: [_read_batch(folder / f) for f in files] for p, files in FILES.items()}
    labels = {p: np.concatenate([y for _, y in b]) for p, b in batches.items()}
    chosen = dict(zip(("train", "test"), order(labels["train"], labels["test"]), strict=True))[part]
    flat = np.concatenate([x for x, _ in batches[part]])[chosen]
    pixels = flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    y = np.searchsorted(CIFAR_CLASSES, labels[part][chosen])
    return from_pixels(pixels, y, f"plane_frog/{part}")


_CURE = "unpack cifar-10-python.tar.gz again"


def _find(data_dir: Path | None) -> Path:
    if data_dir is None:
        raise NotAtHand(
            f"plane_frog needs CIFAR-10: name the folder that holds {FOLDER}/ by --data-dir or DEEPBAYES_DATA"
        )
    for folder in (data_dir / FOLDER, data_dir):
        if (folder / "test_batch").exists():
            return folder
    raise NotAtHand(f"{data_dir} holds no {FOLDER}/test_batch; unpack cifar-10-python.tar.gz there")


def _read_batch(file: Path):
    """CIFAR-10 comes as pickles: nothing but data is admitted, and only the published files."""
    try:
        batch = safe_pickle.load(file, encoding="latin1")
        found = np.asarray(batch["data"]), np.asarray(batch["labels"], np.int64)
    except safe_pickle.UnreadablePickle as error:
        raise DataError(f"{error}; {_CURE}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: not a CIFAR-10 batch ({error}); {_CURE}") from None
    if hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() != MD5[file.name]:
        raise DataError(f"{file} is not the published file (by its MD5); {_CURE}")
    return found
