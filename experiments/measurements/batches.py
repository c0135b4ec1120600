"""Whole parts of data sets in equal batches: one trace a classifier, ragged last batches padded and cut."""

from collections.abc import Callable, Iterator

import numpy as np

from deepbayes.experiments.measurements.device import memory_bytes
from deepbayes.experiments.settings.defaults import USUAL
from deepbayes.models.classifier import Cost

_LARGEST = 2 << 30


def usual_batch(cost: Cost) -> int:
    """Images at once where nobody says: USUAL, fewer where what an evaluation keeps of each would not fit.

    They may take a quarter of the memory and at most 2 GiB.
    """
    image = max(1, cost.bytes)
    return max(1, min(USUAL, memory_bytes() // 4 // image, _LARGEST // image))


def batches(arrays: tuple, size: int) -> Iterator[tuple[int, list[np.ndarray]]]:
    """(number of true rows, arrays of exactly `size` rows); the last batch repeats its last row."""
    n = len(arrays[0])
    for start in range(0, n, size):
        rows = np.minimum(np.arange(start, start + size), n - 1)
        yield min(size, n - start), [a[rows] for a in arrays]


def run(function: Callable, arrays: tuple, size: int, advance: Callable[[int], None] = lambda n: None) -> np.ndarray:
    """function(*batch) over all rows, joined; `advance` hears of every finished batch."""
    results = []
    for true, batch in batches(arrays, size):
        results.append(np.asarray(function(*batch))[:true])
        advance(true)
    return np.concatenate(results)
