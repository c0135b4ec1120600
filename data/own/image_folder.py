"""A folder as a data set: DIR/CLASS/IMAGE, or DIR/train/CLASS/IMAGE and DIR/test/CLASS/IMAGE.

Classes are the folders' names, sorted. Below a class folder, folders may nest to any depth.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from deepbayes.data.checks import DataError
from deepbayes.data.own.image_file import SUFFIXES
from deepbayes.data.own.options import shown

_PARTS = ("train", "test")
_LIKE_PARTS = {*_PARTS, "training", "testing", "val", "valid", "validation"}


@dataclass(frozen=True)
class Entry:
    """One image file: its class by number, its part where the folder says so, its patient where --group does."""

    file: Path
    label: int
    part: str | None
    group: str | None


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, by part, class and name.

    Attributes:
      classes: names as text.
      ignored: how many hidden files, files of other kinds, and folders beside train/ and test/ were passed over.
    """

    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    ignored: int


def list_images(source: Path, group: str | None) -> Listing:
    """Finds the images without opening any.

    Raises:
      DataError: the folder is no data set, or `group` is no expression with one group that fits every image.
    """
    pattern = None if group is None else _compiled(group)
    ignored = Counter()
    parts = _parts(source, ignored)
    classes = {part: _folders(folder, ignored) for part, folder in parts.items()}
    names = sorted({f.name for folders in classes.values() for f in folders})
    found = [
        (file, names.index(folder.name), part)
        for part, folders in classes.items() for folder in folders for file in _images(folder, ignored)
    ]  # fmt: skip
    if not found:
        raise DataError(f"{shown(source)}: no images in class folders ({' '.join(SUFFIXES)}); {_CURE}")
    patients = [None] * len(found) if pattern is None else _patients(source, [f for f, _, _ in found], pattern)
    entries = tuple(Entry(*image, patient) for image, patient in zip(found, patients, strict=True))
    return Listing(entries, tuple(shown(name) for name in names), ignored.total())


def _parts(source, ignored) -> dict[str | None, Path]:
    folders = {f.name: f for f in _folders(source, Counter())}
    if set(_PARTS) <= set(folders) and all(_folders(folders[part], Counter()) for part in _PARTS):
        ignored["beside the parts"] += len(folders) - 2
        return {part: folders[part] for part in _PARTS}
    if folders and {name.casefold() for name in folders} <= _LIKE_PARTS:
        raise DataError(
            f"{shown(source)}: holds {', '.join(map(shown, folders))}; name the two parts train and test, "
            "with class folders in each"
        )
    return {None: source}


def _folders(folder, ignored) -> list[Path]:
    """The folders in it, sorted by name; hidden ones and files are ignored."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{shown(folder)}: cannot be read ({error.strerror}); grant the right to it") from None
    folders = [f for f in inside if f.is_dir() and not f.name.startswith(".")]
    ignored["beside the classes"] += len(inside) - len(folders)
    return folders


def _images(folder, ignored) -> list[Path]:
    def refuse(error):
        raise DataError(f"{shown(error.filename)}: cannot be read ({error.strerror}); grant the right to it") from None

    images = []
    for here, folders, files in os.walk(folder, onerror=refuse):
        hidden = [f for f in folders if f.startswith(".") or Path(here, f).is_symlink()]  # a link may lead back
        folders[:] = [f for f in folders if f not in hidden]
        kept = [f for f in files if not f.startswith(".") and Path(f).suffix.lower() in SUFFIXES]
        ignored["in classes"] += len(hidden) + len(files) - len(kept)
        images += [Path(here, f) for f in kept]
    return sorted(images)


def _compiled(group):
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise DataError(f"--group {shown(group)}: not a regular expression ({error})") from None
    if pattern.groups != 1:
        raise DataError(f"--group {shown(group)}: has {pattern.groups} groups; put one (...) around the patient's name")
    return pattern


def _patients(source, files, pattern) -> list[str]:
    matches = [pattern.search(f.relative_to(source).as_posix()) for f in files]
    patients = [match and match.group(1) for match in matches]
    left = [f for f, patient in zip(files, patients, strict=True) if not patient]
    if left:
        raise DataError(
            f"--group {shown(pattern.pattern)}: names no patient for {len(left)} of {len(files)} images, such as "
            f"{shown(left[0].relative_to(source))}; mend the expression"
        )
    return patients


_CURE = "put the images of each class into a folder of its own"
