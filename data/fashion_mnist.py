"""Fashion-MNIST: from a folder of the user's, Debian's package dataset-fashion-mnist, Keras's cache or its download.

Source: Xiao, Rasul, Vollgraf, arXiv 1708.07747, https://github.com/zalandoresearch/fashion-mnist. Classes: T-shirt/top,
trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
"""

from pathlib import Path

from deepbayes.data import idx
from deepbayes.data.checks import Images, check_published, from_pixels, with_cure
from deepbayes.data.download import cure, fetch, keras_cache

FOLDER = "fashion-mnist"
DEBIAN = Path("/usr/share/datasets") / FOLDER
SHA256 = {
    "train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
}
"""Of the pixels."""
LABELS_SHA256 = {
    "train": "e3245b63f7c40d1c8b652835f19744d970c1613b40ddac6bcfc87b9c46e16a0b",
    "test": "d51d859896c55775b9e9e219b77ff03bcec1b6ac322f313544dc3f9e7bc94fae",
}
"""See checks.labels_sha256."""


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
    if source == DEBIAN:
        elsewhere = "reinstall Debian's package dataset-fashion-mnist"
    else:
        elsewhere = "for Fashion-MNIST point --data-dir (or DEEPBAYES_DATA) elsewhere"
    with with_cure(cure(source, elsewhere)):
        pixels, labels = idx.read_part(source, part)
        sha256, files = (SHA256[part], LABELS_SHA256[part]), idx.files(source, part)
        check_published(pixels, labels, sha256, files, f"Fashion-MNIST's {part} part")
    return from_pixels(pixels, labels, f"fashion_mnist/{part}")


def _download(data_dir: Path | None) -> Path:
    otherwise = (
        f"install Debian's package dataset-fashion-mnist, or put the four idx .gz files into {FOLDER}/ of a folder and "
        "name that folder by --data-dir or DEEPBAYES_DATA"
    )
    return fetch("Fashion-MNIST", (*idx.FILES["train"], *idx.FILES["test"]), data_dir, FOLDER, otherwise)
