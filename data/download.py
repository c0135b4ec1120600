"""Public data sets by Keras's downloader: into the user's data folder where one is named, else into Keras's cache."""

import os
import tarfile
import tempfile
from pathlib import Path

from deepbayes.data.checks import NotAtHand

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def keras_cache() -> Path:
    """Where keras.utils.get_file keeps data sets."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"


def cure(source: Path, otherwise: str) -> str:
    """What to do about a file that is damaged or another: only what Keras keeps may be deleted, the rest has an owner.

    Args:
      source: the file, or the folder that it is in.
      otherwise: the cure where `source` is the user's.
    """
    if source.resolve().is_relative_to(keras_cache().resolve()):
        return "delete it and fetch it again"
    return otherwise


def fetch(title: str, files: tuple[str, ...], data_dir: Path | None, folder: str, otherwise: str) -> Path:
    """Downloads what is missing of `files`; the folder where they are.

    Args:
      title: of the data set, for the error.
      folder: below the data folder.
      otherwise: what the user may do where the network does not answer.

    Raises:
      NotAtHand: a file cannot be had, with the cure.
    """
    paths = [_get_file(title, URL + name, data_dir, folder, otherwise) for name in files]
    return paths[0].parent


def fetch_archive(title: str, url: str, md5: str, data_dir: Path | None, folder: str, otherwise: str) -> Path:
    """Downloads a tar archive that holds `folder`, and unpacks it beside itself; the unpacked folder.

    It is unpacked aside and moved file by file, so that nobody who is interrupted finds half a file.

    Args: as fetch; md5: of the archive, as published.

    Raises:
      NotAtHand: the archive cannot be had or unpacked, with the cure.
    """
    archive = _get_file(title, url, data_dir, "", otherwise, md5)
    target = archive.parent / folder
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent) as aside:
            with tarfile.open(archive) as content:
                content.extractall(aside, filter="data")
            target.mkdir(exist_ok=True)
            for file in (Path(aside) / folder).iterdir():
                file.replace(target / file.name)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise NotAtHand(f"{title} is not at hand and {archive} cannot be unpacked ({error}); {otherwise}") from None
    return target


def _get_file(title: str, url: str, data_dir: Path | None, folder: str, otherwise: str, md5: str | None = None) -> Path:
    import keras

    base = data_dir or keras_cache().parent
    place = {"cache_dir": str(base), "cache_subdir": folder if data_dir else os.path.join("datasets", folder)}
    name = url.rpartition("/")[2]
    try:
        base.mkdir(parents=True, exist_ok=True)  # where it is missing Keras goes to /tmp in silence
        return Path(keras.utils.get_file(name, url, file_hash=md5, hash_algorithm="md5", **place))
    except Exception as error:  # get_file raises bare Exception for every network failure
        raise NotAtHand(f"{title} is not at hand and {url} cannot be fetched ({error}); {otherwise}") from None
