"""Every image of a source as a Picture, whatever the source is."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deepbayes.data.checks import DataError
from deepbayes.data.own.arrays_file import read_arrays
from deepbayes.data.own.image_file import decode
from deepbayes.data.own.image_folder import list_images
from deepbayes.data.own.options import OwnDataOptions, Unreadable, shown
from deepbayes.data.own.picture import Picture, make_picture

_BYTES_A_VALUE = 5  # as stored and as float32
_MOST_SIZES = 4  # that a message lists


@dataclass(frozen=True)
class Reading:
    """The images, the classes' names, the files skipped as unreadable, and how many others were ignored."""

    pictures: list[Picture]
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    ignored: int = 0


def read(source: Path, options: OwnDataOptions, advance: Callable[[int], None]) -> Reading:
    """Reads a folder or an .npz, at the size that was asked for.

    Raises:
      DataError: it is neither, or as `list_images`, `decode`, `read_arrays` and `make_picture`.
    """
    if source.is_dir():
        return _read_folder(source, options, advance)
    if not source.is_file():
        raise DataError(f"{shown(source)}: no such folder or file; name a folder of class folders, or an .npz")
    if source.suffix != ".npz":
        raise DataError(f"{shown(source)}: no data set; name a folder of class folders, or an .npz")
    if options.group is not None:
        raise DataError(f"{shown(source)}: --group reads file names, and an .npz has none; store x_train and x_test")
    return _read_arrays(source, options, advance)


def _read_folder(source, options, advance):
    listing = list_images(source, options.group)
    pictures, skipped = [], []
    for entry in listing.entries:
        advance(1)
        try:
            decoded, is_rgb = decode(entry.file, options.colour)
        except Unreadable:
            if not options.skip_unreadable:
                raise
            skipped.append(shown(entry.file))
            continue
        p = make_picture(decoded, is_rgb, shown(entry.file), entry.label, entry.part, entry.group, options)
        if not pictures:
            _check_memory(p, len(listing.entries), shown(source))
        elif p.pixels.shape[:2] != pictures[0].pixels.shape[:2]:
            p.pixels = p.pixels[:0].copy()  # will be refused: only the size matters
        pictures.append(p)
    if not pictures:
        raise DataError(f"{shown(source)}: none of its {len(skipped)} images can be read; replace them")
    return Reading(pictures, listing.classes, tuple(skipped), listing.ignored)


def _read_arrays(file, options, advance):
    parts, classes = read_arrays(file, options.value_range is not None)
    pictures, asked = [], options
    for arrays in parts:
        floats = asked.value_range is None and arrays.x.dtype == np.float32
        options = replace(asked, value_range=(0.0, 1.0)) if floats else asked  # seen to be in [0, 1]
        for row, (x, label) in enumerate(zip(arrays.x, arrays.labels, strict=True)):
            where = f"{shown(file)}: {arrays.name}[{row}]"
            pictures.append(make_picture(x, x.ndim == 3, where, int(label), arrays.part, None, options))
            advance(1)
    return Reading(pictures, classes)


def _check_memory(p, n, source):
    needed, memory = n * p.pixels.size * _BYTES_A_VALUE, physical_memory()
    if needed > memory:
        raise DataError(
            f"{source}: {n} images of {p.pixels.shape[0]} x {p.pixels.shape[1]} take {needed / 1e9:.0f} GB, and this "
            f"machine has {memory / 1e9:.0f}; pass a smaller --image-size"
        )


def physical_memory() -> int:
    """Bytes of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_alike(pictures: list[Picture], options: OwnDataOptions, source: str) -> None:
    """Raises DataError unless all have one size, or are given one, and none has more bits than another."""
    sizes = Counter(p.size for p in pictures)
    if options.size is None and len(sizes) > 1:
        listed = ", ".join(f"{h} x {w} ({n})" for (h, w), n in sizes.most_common(_MOST_SIZES))
        rest = f" and {len(sizes) - _MOST_SIZES} more" if len(sizes) > _MOST_SIZES else ""
        raise DataError(
            f"{source}: images of {len(sizes)} sizes, height x width: {listed}{rest}; pass --image-size to resize them"
        )
    if len({p.bits for p in pictures}) > 1:
        one, other = pictures[0], next(p for p in pictures if p.bits != pictures[0].bits)
        raise DataError(
            f"{one.where} and {other.where}: 8 bits and more in one data set, which no single --range fits; save "
            "all alike"
        )
