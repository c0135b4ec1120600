"""Public data sets by Keras's downloader: into the user's data folder where one is named, else into Keras's cache."""

import os
from pathlib import Path

from deepbayes.data.checks import NotAtHand

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def keras_cache() -> Path:
    """Where keras.utils.get_file keeps data sets."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"


def fetch(title: str, files: tuple[str, ...], data_dir: Path | None, folder: str, otherwise: str) -> Path:
    """Downloads what is missing of `files`; the folder where they are.

    Args:
      title: of the data set, for the error.
      folder: below the data folder.
      otherwise: what the user may do where the network does not answer.

    Raises:
      NotAtHand: a file cannot be had, with the cure.
    """
    import keras

    base = data_dir or keras_cache().parent
    place = {"cache_dir": str(base), "cache_subdir": folder if data_dir else os.path.join("datasets", folder)}
    try:
        base.mkdir(parents=True, exist_ok=True)  # where it is missing Keras goes to /tmp in silence
        paths = [Path(keras.utils.get_file(name, URL + name, **place)) for name in files]
    except Exception as error:  # get_file raises bare Exception for every network failure
        raise NotAtHand(f"{title} is not at hand and {URL} cannot be reached ({error}); {otherwise}") from None
    return paths[0].parent
