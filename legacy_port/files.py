"""The files of 2019, read and written: checkpoints, attack files, detection files, index files.

All are pickles; reading admits data alone (data/safe_pickle.py), writing gives what Python 3.6 and numpy 1 read. Names
and places are 2019's, below the working directory:

    save/mnist_conv_vae_A_64/checkpoint_0.pkl
        dictionary of variable name to array
    raw_attack_results/bayes_K10_A_cnn/mnist_fgsm_eps0.10_untargeted.pkl
        list of adversarial images, labels and attacked labels (one-hot), logits
    raw_attack_results_superwhite/bayes_K10_A_cnn/mnist_superwhite_eps0.20_lambda0.1_untargeted.pkl
        the same of the detector-aware attack; where 2019's detection never looked, and ours does
    detection_results/bayes_K10_A_cnn/mnist_bayes_K10_A_cnn_fgsm_eps0.10_untargeted.pkl
        dictionary of rates and distances
    data_ind/plane_frog_bayes_K10_A_cnn.pkl
        positions of the test images that it gets right
"""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepbayes.data import safe_pickle
from deepbayes.data.checks import DataError, check_images
from deepbayes.models.files import FileError, atomic


def checkpoint_path(root: Path, dataset: str, letter: str, dim_z: int) -> Path:
    return root / "save" / f"{dataset}_conv_vae_{letter}_{dim_z}" / "checkpoint_0.pkl"


def attack_path(root: Path, dataset: str, victim: str, attack: str, targeted: bool) -> Path:
    """`victim` as in "bayes_K10_A_cnn", `attack` as in "fgsm_eps0.10", "cw_c1.00_lr0.010", "superwhite_eps0.20_..."."""
    folder = "raw_attack_results_superwhite" if attack.startswith("superwhite") else "raw_attack_results"
    return root / folder / victim / f"{dataset}_{attack}_{_kind(targeted)}.pkl"


def detection_path(root: Path, dataset: str, victim: str, guard: str, attack: str, targeted: bool) -> Path:
    return root / "detection_results" / guard / f"{dataset}_{victim}_{attack}_{_kind(targeted)}.pkl"


def index_path(root: Path, dataset: str, victim: str) -> Path:
    return root / "data_ind" / f"{dataset}_{victim}.pkl"


def _kind(targeted: bool) -> str:
    return "targeted" if targeted else "untargeted"


@dataclass(frozen=True)
class AttackFile:
    """Adversarial images x (N, H, W, ch) in [0, 1], labels y and attacked labels (N,), the victim's logits (N, C)."""

    x: np.ndarray
    y: np.ndarray
    y_attacked: np.ndarray
    logits: np.ndarray


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Variable name -> array. Raises FileError: missing, damaged, refused, or no dictionary of arrays."""
    content = _load(path)
    if not isinstance(content, dict) or not all(
        isinstance(k, str) and isinstance(v, np.ndarray) for k, v in content.items()
    ):
        raise FileError(f"{path} is no 2019 checkpoint: it must be a dictionary of variable name to array")
    return content


def read_attack(path: Path, shape: tuple[int, ...]) -> AttackFile:
    """An attack file for images of this shape. Raises FileError with everything that is wrong with it."""
    content = _load(path)
    if not (isinstance(content, list | tuple) and len(content) == 4):
        raise FileError(
            f"{path} is no 2019 attack file: it must be a list of images, labels, attacked labels and logits"
        )
    x, y, attacked, logits = (np.asarray(a) for a in content)
    wrong = []
    for name, a in (("labels", y), ("attacked labels", attacked)):
        if a.ndim != 2 or len(a) != len(x) or not np.array_equal(a.sum(axis=1), np.ones(len(a))):
            wrong.append(f"{name} of shape {a.shape} are not one-hot for {len(x)} images")
    if logits.shape != y.shape:
        wrong.append(f"logits have shape {logits.shape}, labels {y.shape}")
    elif not np.isfinite(logits).all():
        wrong.append("logits are NaN or infinite")
    if not wrong:
        try:
            check_images(x, y.argmax(axis=1), shape=shape, classes=y.shape[1], source="images")
        except DataError as error:
            wrong.append(str(error))
    if wrong:
        raise FileError(f"{path}: " + "; ".join(wrong))
    return AttackFile(x.astype(np.float32), y.argmax(axis=1), attacked.argmax(axis=1), logits.astype(np.float32))


def write_attack(path: Path, attack: AttackFile) -> None:
    classes = np.eye(attack.logits.shape[1], dtype=np.float32)
    write_pickle(path, [attack.x, classes[attack.y], classes[attack.y_attacked], attack.logits])


def read_detection(path: Path) -> dict[str, float]:
    """Rates in percent and distances by 2019's names. Raises FileError."""
    content = _load(path)
    if not isinstance(content, dict) or "success_rate" not in content:
        raise FileError(f"{path} is no 2019 detection file: it must be a dictionary with success_rate")
    return {key: float(value) for key, value in content.items()}


def read_index(path: Path) -> np.ndarray:
    """Positions of test images. Raises FileError."""
    index = np.asarray(_load(path))
    if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
        raise FileError(f"{path} is no 2019 index file: it must be a list of positions")
    return index


def _load(path: Path):
    try:
        return safe_pickle.load(path, encoding="latin1")
    except safe_pickle.UnreadablePickle as error:
        raise FileError(str(error)) from None


def write_pickle(path: Path, content) -> None:
    """Writes arrays, numbers, strings and their containers as Python 3.6 with numpy 1 reads them."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        _Pickler2019(file, protocol=3).dump(content)


class _Pickler2019(pickle._Pickler):
    """numpy 2 says numpy._core where numpy 1 has numpy.core."""

    def save_global(self, obj, name=None):
        module = pickle.whichmodule(obj, name or obj.__qualname__)
        name = name or obj.__qualname__
        self.write(pickle.GLOBAL + f"{module.replace('numpy._core', 'numpy.core')}\n{name}\n".encode("ascii"))
        self.memoize(obj)

    dispatch = pickle._Pickler.dispatch | {type(np.ndarray): save_global}
