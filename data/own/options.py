"""What a user may say about images of their own, and what a message may show of their files' names."""

import math
from dataclasses import dataclass
from pathlib import Path

from deepbayes.data.checks import DataError


class Unreadable(DataError):
    """A file that holds no whole image: the one kind of fault that `skip_unreadable` passes over."""


@dataclass(frozen=True)
class OwnDataOptions:
    """How the images are read.

    Attributes:
      image_size: (height, width) in pixels that every image is resized to, or one number for both; None keeps the size.
      colour: "grey" (H, W, 1) or "rgb" (H, W, 3); None takes what all the images are.
      value_range: stored values (lowest, highest) that become 0 and 1, for images of more than 8 bits.
      group: regular expression with one group. What that group matches in a file's path inside the folder names the
        patient (or scene, or camera) whose images must stay in one part.
      skip_unreadable: leave unreadable files out and count them, instead of refusing the data set.

    Raises:
      DataError: a size below 1, another colour, or a range that is empty or not finite.
    """

    image_size: int | tuple[int, int] | None = None
    colour: str | None = None
    value_range: tuple[float, float] | None = None
    group: str | None = None
    skip_unreadable: bool = False

    def __post_init__(self):
        if self.image_size is not None and min(self.size) < 1:
            raise DataError(f"--image-size must be at least 1 pixel, not {self.image_size}")
        if self.colour not in (None, "grey", "rgb"):
            raise DataError(f"the colour must be grey or rgb, not {self.colour}")
        if self.value_range is not None:
            low, high = self.value_range
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise DataError(f"--range must be two finite numbers, the lower one first, not {low:g} {high:g}")

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) to resize to, or None."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size


def shown(name: str | Path) -> str:
    """A name as text of one line: what does not print (line ends, terminal codes, bytes outside UTF-8) is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(name))
