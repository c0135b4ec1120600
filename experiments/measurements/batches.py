"""Whole parts of data sets in equal batches: one trace a victim, ragged last batches padded and cut."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from deepbayes.experiments.measurements.device import memory_bytes
from deepbayes.experiments.settings.defaults import USUAL
from deepbayes.models.deep_bayes.architecture import Architecture

_LARGEST = 2 << 30
_COPIES = 3  # of every activation: itself, its gradient, the library's scratch


def usual_batch(architecture: Architecture, samples: int) -> int:
    """Images at once where nobody says: USUAL, fewer where K * C decodings of each would not fit.

    They may take a quarter of the memory and at most 2 GiB.
    """
    a = architecture
    depths = (a.input_shape[-1], *a.channels)
    sizes = a.image_sizes() if a.is_image else []
    maps = sum(math.prod(size) * depth for size, depth in zip(sizes, depths, strict=True)) if sizes else 0
    image = samples * a.num_classes * (maps + 2 * a.dim_hidden) * 4 * _COPIES
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
