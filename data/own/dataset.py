"""A user's own images as a data set: from a folder of class folders, or from an .npz."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deepbayes.data.checks import Images, from_pixels, labels_sha256, pixel_sha256
from deepbayes.data.own.options import OwnDataOptions, shown
from deepbayes.data.own.parts import check_parts, check_patients, positions, split, without_copies
from deepbayes.data.own.picture import common_colour, to_colour
from deepbayes.data.own.read import check_alike, read

PREFIX = "own_"
"""Of every name, so that it is no registered data set's."""
_LONGEST = 40  # letters of a name: results and weights are files called after it


@dataclass(frozen=True)
class Facts:
    """What reading the images met with.

    Attributes:
      dropped: exact copies left out.
      leaked: how many of these were training images that are test images too.
      skipped: files left out as unreadable.
      ignored: hidden files, files of other kinds, and folders that are no class.
      clipped: share of all values that --range cut off.
      sizes: (height, width) before resizing -> how many images.
    """

    dropped: int
    leaked: int
    skipped: tuple[str, ...]
    ignored: int
    clipped: float
    sizes: dict[tuple[int, int], int]


@dataclass(frozen=True)
class OwnData:
    """A user's own data set.

    Attributes:
      name: "own_" and the folder's or file's name in letters, digits, _ and -.
      shape: (H, W, ch) of every image.
      classes: their names as text, in order of the labels.
      train, test: its parts; `index` is each image's position from its own pixels (see `parts.positions`).
      labels_sha256: by part, of the labels as little-endian int64; `Images.sha256` is of the pixels (uint8, or float32
        where --range or the .npz made floats).
    """

    name: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: Images
    test: Images
    labels_sha256: dict[str, str]
    facts: Facts

    @property
    def summary(self) -> str:
        """One line for the log."""
        height, width, channels = self.shape
        facts, sizes = self.facts, self.facts.sizes
        more = {
            f"resized from {_range_of(sizes)}": set(sizes) != {(height, width)},
            f"{facts.dropped} copies dropped": facts.dropped,
            f"{facts.leaked} of them training images that are test images too": facts.leaked,
            f"{len(facts.skipped)} unreadable files skipped": facts.skipped,
            f"{facts.ignored} other files or folders ignored": facts.ignored,
            f"{100 * facts.clipped:.2g} % of the values outside --range": facts.clipped,
        }
        return "; ".join([
            f"{self.name}: {height} x {width} {'grey' if channels == 1 else 'rgb'}, {len(self.classes)} classes, "
            f"{len(self.train)} training and {len(self.test)} test images",
            *(text for text, holds in more.items() if holds),
        ])  # fmt: skip


def own_dataset(source: Path, options: OwnDataOptions, advance: Callable[[int], None] = lambda n: None) -> OwnData:
    """Reads, checks and splits the images; writes nothing.

    Args:
      source: the folder or the .npz.
      advance: called with the number of images read since the last call.

    Raises:
      DataError: whatever is wrong with them, in one line with the file's name and the cure.
    """
    reading = read(source, options, advance)
    pictures = reading.pictures
    check_alike(pictures, options, shown(source))
    colour = common_colour(pictures, options.colour)
    for p in pictures:
        to_colour(p, colour)
    split(pictures)
    check_patients(pictures)
    kept, dropped, leaked = without_copies(pictures)
    check_parts(kept, reading.classes, shown(source))
    name = dataset_name(source)
    train, test = _parts(kept, name)
    clipped, sizes = float(np.mean([p.clipped for p in pictures])), dict(Counter(p.size for p in pictures))
    return OwnData(
        name, train.x.shape[1:], reading.classes, train, test,
        {"train": labels_sha256(train.y), "test": labels_sha256(test.y)},
        Facts(dropped, leaked, reading.skipped, reading.ignored, clipped, sizes),
    )  # fmt: skip


def _range_of(sizes) -> str:
    texts = [f"{h} x {w}" for h, w in sorted(sizes, key=lambda size: size[0] * size[1])]
    return texts[0] if len(texts) == 1 else f"{texts[0]} to {texts[-1]}"


def dataset_name(source: Path) -> str:
    """ "own_" and the folder's or file's name; where that had to be changed, with six digits of the name's sha256."""
    stem = source.resolve().stem if source.suffix == ".npz" else source.resolve().name
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:_LONGEST]
    mark = "" if safe == stem and stem else "-" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:6]
    return PREFIX + safe + mark


def _parts(pictures, name) -> list[Images]:
    index = positions([p.origin for p in pictures])
    parts = []
    for part in ("train", "test"):
        rows = [i for i, p in enumerate(pictures) if p.part == part]
        pixels = np.stack([pictures[i].pixels for i in rows])
        labels = np.array([pictures[i].label for i in rows], np.int64)
        parts.append(_as_images(pixels, labels, index[rows], f"{name}/{part}"))
    return parts


def _as_images(pixels, labels, index, name) -> Images:
    if pixels.dtype == np.uint8:
        return replace(from_pixels(pixels, labels, name), index=index)
    return Images(pixels, labels, index, name, pixel_sha256(pixels))
