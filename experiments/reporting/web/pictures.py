"""Images of examples as data URLs: the image before the attack and after it, side by side in one PNG."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from deepbayes.data.checks import spread_positions
from deepbayes.data.registry import DATASETS, class_name
from deepbayes.experiments.reporting.pages import Arrays
from deepbayes.experiments.reporting.web.rows import Row
from deepbayes.experiments.store.result import CleanResult, Result

PUBLIC, ALL, NONE = "public", "all", "none"
CHOICES = (PUBLIC, ALL, NONE)
"""Whose images a page shows: those of published data sets, all, or none."""
SHOWN = 4
"""Examples of a result."""
_LARGEST = 64
"""Pixels of a side: larger images are shrunk."""
_OWN = "own_"
"""Names of a user's own data sets begin so: their images may be anybody's, patients' among them."""


@dataclass(frozen=True)
class Picture:
    """An example of a result.

    Attributes:
      source: a data URL. width, height: in pixels.
      true: the true class, or "" where it is not known. predicted: the class predicted.
      pair: whether the image before the attack stands at the left of the attacked one.
    """

    source: str
    width: int
    height: int
    true: str
    predicted: str
    pair: bool

    @property
    def alt(self) -> str:
        what = "The image before the attack and after it" if self.pair else "A test image"
        true = f", true class {self.true}" if self.true else ""
        return f"{what}{true}, predicted {self.predicted}"

    @property
    def wrong(self) -> bool:
        return bool(self.true) and self.true != self.predicted


def may_show(dataset: str, whose: str) -> bool:
    """Whether images of a data set may stand in the page; "public" excludes a user's own and unknown data sets."""
    return whose == ALL or (whose == PUBLIC and dataset in DATASETS and not dataset.startswith(_OWN))


def pictures(row: Row, clean: CleanResult | None, arrays: Arrays, shown: int = SHOWN) -> list[Picture]:
    """Examples that are stored with a result; none where there is no array file, or where it holds something else."""
    result = row.result
    stored = arrays(result) if result else {}
    if not _is_whole(stored, result):
        return []
    before = arrays(clean) if clean and clean is not result else {}
    pair = _is_whole(before, clean) and np.array_equal(before["examples_row"], stored["examples_row"])
    return list(_pictures(row, clean, stored, before if pair else {}, shown))


def _pictures(row: Row, clean: CleanResult | None, stored: dict, before: dict, shown: int) -> Iterator[Picture]:
    labels = None if clean is None else clean.labels
    n = len(stored["examples"])
    for k in spread_positions(min(shown, n), n):
        position = int(stored["examples_row"][k])
        parts = [before["examples"][k]] if before else []
        image = _image([*parts, stored["examples"][k]])
        true = "" if labels is None else class_name(row.dataset, int(labels[position]))
        predicted = class_name(row.dataset, int(row.result.predictions[position]))
        yield Picture(_data_url(image), image.width, image.height, true, predicted, bool(before))


def _is_whole(stored: dict, result: Result | None) -> bool:
    """Whether there are examples that can be drawn, each with a position among the predictions."""
    if result is None or not {"examples", "examples_row"} <= stored.keys():
        return False
    examples, rows = stored["examples"], stored["examples_row"]
    return (
        examples.dtype == np.uint8
        and examples.ndim == 4
        and examples.shape[3] in (1, 3)
        and examples.size > 0
        and rows.shape == examples.shape[:1]
        and rows.dtype.kind in "iu"
        and bool(np.all((rows >= 0) & (rows < result.n)))
    )


def _image(parts: list[np.ndarray]) -> Image.Image:
    """Images (H, W, ch) of bytes side by side, with a gap of two white pixels."""
    shrunk = [_shrunk(Image.fromarray(p[..., 0] if p.shape[2] == 1 else p)) for p in parts]
    width = sum(i.width for i in shrunk) + 2 * (len(shrunk) - 1)
    whole = Image.new(shrunk[0].mode, (width, max(i.height for i in shrunk)), "white")
    left = 0
    for image in shrunk:
        whole.paste(image, (left, 0))
        left += image.width + 2
    return whole


def _shrunk(image: Image.Image) -> Image.Image:
    image.thumbnail((_LARGEST, _LARGEST))
    return image


def _data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
