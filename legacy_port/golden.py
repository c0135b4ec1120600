"""Golden files: inputs, weights, frozen noise and outputs of the 2019 code, one .npz each.

Keys: `weights/NAME` under 2019 variable names, `x` (or `features`), `y`, `y_target`, noise `eps_k1` (1, N, Z), `eps_kK`
(K, N, Z) and `eps_class_kK` (C, K, N, Z), and what the 2019 code gave for them; `meta` is a JSON string.
"""

import json
from functools import cached_property
from pathlib import Path

import numpy as np

from deepbayes.legacy_port.checkpoints import to_classifier
from deepbayes.models.files import read_arrays


class Golden:
    """One golden file. Raises FileError (missing, damaged) and ValueError (weights that fit no classifier)."""

    def __init__(self, path: Path):
        self.path = path
        self.arrays = read_arrays(path)
        self.target, self.attacks = None, {}  # what attack_parity compiles on its classifier
        self.meta = json.loads(str(self.arrays.pop("meta", "{}")))

    def __getitem__(self, key):
        return self.arrays[key]

    def __contains__(self, key):
        return key in self.arrays

    @property
    def outputs(self) -> list[str]:
        """Keys that are neither inputs nor weights: what a port must reproduce."""
        return [k for k in self.arrays if k not in _INPUTS and not k.startswith(("weights/", "eps_", "sw_"))]

    def folder(self, name: str) -> dict[str, np.ndarray]:
        """The arrays under `name/`, without that prefix."""
        return {k.removeprefix(f"{name}/"): v for k, v in self.arrays.items() if k.startswith(f"{name}/")}

    @property
    def dataset(self) -> str:
        return self.meta.get("dataset", "cifar10")

    def new_classifier(self, **options):
        """A fresh classifier with the file's weights. 2019's log p(y) is log 0.1 whatever C."""
        options = {"log_prior_y": float(np.log(0.1)), "likelihood": self.meta.get("likelihood", "l2")} | options
        return to_classifier(self.folder("weights"), self.dataset, **options)

    @cached_property
    def classifier(self):
        return self.new_classifier()

    @property
    def x(self):
        return self["x"] if "x" in self else self["features"]

    @property
    def class_noise(self):
        """(K, C, N, Z), our layout."""
        return np.ascontiguousarray(self["eps_class_kK"].transpose(1, 0, 2, 3))


_INPUTS = {"x", "y", "y_target", "features", "mnist_train_index", "labels_train", "labels_test"}
