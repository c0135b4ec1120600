"""Which images are for training and which for testing, what is a copy, and which noise an image gets.

Each is a function of the image's own pixels (or of its patient's name), so that files added later move no image.
"""

import hashlib
import os
from collections import defaultdict

import numpy as np

from deepbayes.data.checks import DataError
from deepbayes.data.own.options import shown
from deepbayes.data.own.picture import Picture

TEST_BELOW = 2**64 // 5
"""An image is for testing where the first 8 bytes of its hash, as a number, are below this: 20 %."""
_WORDS, _LARGEST = range(8, 32, 4), 2**31 - 1


def part_of(digest: bytes) -> str:
    """ "test" for one in five sha256 digests, else "train"."""
    return "test" if int.from_bytes(digest[:8], "big") < TEST_BELOW else "train"


def split(pictures: list[Picture]) -> None:
    """Gives each picture without a part its own: by its patient where it has one, else by its pixels as stored."""
    for p in pictures:
        if p.part is None:
            p.part = part_of(p.origin if p.group is None else hashlib.sha256(os.fsencode(p.group)).digest())


def without_copies(pictures: list[Picture]) -> tuple[list[Picture], int, int]:
    """One picture of each kind; of copies in both parts the one for testing stays.

    Returns:
      The pictures kept, in their order; how many were dropped; how many of these were for training, with a copy that
      stays for testing.

    Raises:
      DataError: the same image in two classes, or of two patients.
    """
    kinds = defaultdict(list)
    for p in pictures:
        kinds[p.content].append(p)
    kept, leaked = [], 0
    for same in kinds.values():
        for other in same[1:]:
            _check_same(same[0], other)
        stays = min(same, key=lambda p: p.part)  # "test" before "train", else the first
        leaked += sum(p.part != stays.part for p in same)
        kept.append(stays)
    return kept, len(pictures) - len(kept), leaked


def _check_same(one, other):
    what = "classes" if one.label != other.label else "patients" if one.group != other.group else None
    if what:
        why = "" if one.origin == other.origin else " once resized and coloured"
        raise DataError(f"{one.where} and {other.where} are the same image{why}, in two {what}; remove the wrong one")


def check_patients(pictures: list[Picture]) -> None:
    """Raises DataError where a patient is in both parts, which only folders train/ and test/ can bring about."""
    first = {}
    for p in pictures:
        seen = first.setdefault(p.group, p) if p.group is not None else p
        if seen.part != p.part:
            raise DataError(
                f"{shown(p.group)} is in both parts ({seen.where}, {p.where}); move all images of one group into one"
            )


def check_parts(pictures: list[Picture], classes: tuple[str, ...], source: str) -> None:
    """Raises DataError unless there are two classes, each with images in both parts."""
    if len(classes) < 2:
        raise DataError(f"{source}: holds one class, {classes[0]}; a classifier needs two or more")
    for label, name in enumerate(classes):
        count = {part: sum(p.label == label and p.part == part for p in pictures) for part in ("train", "test")}
        for part, other in (("train", "test"), ("test", "train")):
            if not count[part]:
                raise DataError(
                    f"{source}: class {name} has no {part} images ({count[other]} {other} images); add images, or "
                    "part them yourself into train/ and test/"
                )


def positions(origins: list[bytes]) -> np.ndarray:
    """(N,) int64 in 0 .. 2^31-1, all different: what the noise of each image is drawn by.

    A position is four bytes of the image's own sha256 (the ninth to the twelfth; the first eight give the part), so it
    does not depend on which other images there are. Where two images meet (one such pair is to be expected among
    65,000), the one whose digest is higher takes its next four bytes.
    """
    place, taken = {}, set()
    for digest in sorted(origins):
        words = (int.from_bytes(digest[i : i + 4], "big") & _LARGEST for i in _WORDS)
        position = next(w for w in words if w not in taken)
        place[digest] = position
        taken.add(position)
    return np.array([place[d] for d in origins], np.int64)
