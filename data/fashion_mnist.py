"""Fashion-MNIST: from a folder of the user's, Debian's package dataset-fashion-mnist, Keras's cache or its download.

Source: Xiao, Rasul, Vollgraf, arXiv 1708.07747, https://github.com/zalandoresearch/fashion-mnist. Classes: T-shirt/top,
trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
"""

from pathlib import Path

from deepbayes.data import idx
from deepbayes.data.checks import Images, check_pixels, check_published, from_pixels
from deepbayes.data.download import fetch, keras_cache

SHAPE, CLASSES = (28, 28), 10
FOLDER = "fashion-mnist"
DEBIAN = Path("/usr/share/datasets") / FOLDER
SHA256 = {
    "train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
}
CLASS_COUNTS = {"train": (6000,) * CLASSES, "test": (1000,) * CLASSES}


def find(data_dir: Path | None) -> Path | None:
    """The folder with the four idx files, `data_dir`/fashion-mnist first; None where there is none."""
    folders = [data_dir and data_dir / FOLDER, DEBIAN, keras_cache() / FOLDER]
    return next((f for f in folders if f and idx.is_complete(f)), None)


def load(part: str, data_dir: Path | None) -> Images:
    """Fashion-MNIST's "train" (60,000) or "test" (10,000) images.

    Raises:
      DataError: nothing at hand and no download, or the arrays are not Fashion-MNIST's.
    """
    source = find(data_dir) or _download(data_dir)
    pixels, labels = idx.read_part(source, part)
    check_pixels(pixels, labels, shape=SHAPE, classes=CLASSES, source=str(source))
    check_published(pixels, labels, SHA256[part], CLASS_COUNTS[part], f"{source}: the {part} images", "Fashion-MNIST's")
    return from_pixels(pixels, labels, f"fashion_mnist/{part}")


def _download(data_dir: Path | None) -> Path:
    cure = (
        f"install Debian's package dataset-fashion-mnist, or put the four idx .gz files into {FOLDER}/ of a folder and "
        "name that folder by --data-dir or DEEPBAYES_DATA"
    )
    return fetch("Fashion-MNIST", (*idx.FILES["train"], *idx.FILES["test"]), data_dir, FOLDER, cure)
