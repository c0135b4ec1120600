"""Which images stay right under several attacks that were run on different numbers of images.

A run on n images takes those at even distances in the test set (`Images.spread`), so that two runs share some.
"""

from collections.abc import Mapping

import numpy as np

from deepbayes.data.checks import spread_positions


def by_position(values, n: int, total: int) -> dict[int, int]:
    """Labels or predictions of a run on n of `total` test images, by position in the test set."""
    return dict(zip(spread_positions(n, total).tolist(), np.asarray(values).tolist(), strict=True))


def right_on_common_images(
    predictions: Mapping[tuple, Mapping[int, int]], labels: Mapping[int, int]
) -> tuple[list[int], dict[tuple, np.ndarray]]:
    """Positions of the n images that all attacks share; attack -> (n,) whether each image is right under that attack.

    Args:
      predictions: attack -> {position in the test set: predicted label}.
      labels: position -> true label; an image without one is left out.
    """
    common = sorted(set(labels).intersection(*(of.keys() for of in predictions.values())))
    y = np.array([labels[p] for p in common])
    return common, {attack: np.array([of[p] for p in common]) == y for attack, of in predictions.items()}
