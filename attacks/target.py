"""What an attack is given: a victim seen as images -> logits, and a batch that has been checked.

An attack's module has `build(target, options, targeted) -> craft`. `options` holds the values of its registry entry's
options as attributes. `craft(x, y, index, value, seed, advance)` takes

    x        (N, ...) float32 in [0, 1], N the same in every call: one trace a victim
    y        (N,) int32: the true labels, or with `targeted` the labels to reach
    index    (N,) int32: positions of the images in their data set; whatever is random is drawn by (seed, index)
    value    of the attack's parameter
    seed     int: of the attack's noise and starts
    advance  hears of the share of the batch's work that was done

and returns the adversarial images, float32 as x.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Target:
    """What an attack may use of a victim.

    Attributes:
      logits: (x, index, seed) -> (N, C) log-probabilities up to a constant an image, in nats; never probabilities.
      classes: C, at least 2.
      snapshot: (x, index, seed) -> (K, N, C), the logits of each sample alone, where the victim has them.
      detectors: name -> (statistic, thresholds) that a detector-aware attack evades: statistic(logits (N, C), labels
        (N,)) -> (N,) that TensorFlow can differentiate, thresholds (C,).
    """

    logits: Callable
    classes: int
    snapshot: Callable | None = None
    detectors: dict[str, tuple[Callable, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self):
        if self.classes < 2:
            raise ValueError(f"an attack needs a victim of at least 2 classes, not {self.classes}")


def check_batch(x, y, index, classes: int) -> None:
    """Raises ValueError unless these are images in [0, 1] with a label below `classes` and a position each."""
    x, y = np.asarray(x), np.asarray(y)
    if not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
        raise ValueError("images to attack must be finite and in [0, 1]; divide bytes by 255")
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"{len(x)} images need {len(x)} integer labels, not {y.dtype} of shape {y.shape}")
    if y.min() < 0 or y.max() >= classes:
        raise ValueError(f"labels run from {y.min()} to {y.max()}, not 0..{classes - 1}")
    if len(index) != len(x):
        raise ValueError(f"{len(x)} images but {len(index)} positions")


def check_targets(targets, labels) -> None:
    """Raises ValueError where a targeted attack is asked for the label that the image has."""
    same = int(np.sum(np.asarray(targets) == np.asarray(labels)))
    if same:
        raise ValueError(f"{same} of {len(labels)} targets equal the true label; a target must be another class")


def check_budget(name: str, value: float) -> None:
    """Raises ValueError unless the parameter is finite and not negative."""
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, not {value}")


def draw_seed(seed, draw):
    """The seed of draw number `draw` (a scalar, tensors welcome) of a run of draws that starts at `seed` itself.

    int32, wrapping: an odd factor keeps the draws of a run apart, and its size keeps them from the neighbouring seeds
    that other roles of noise have.
    """
    return tf.cast(seed, tf.int32) + tf.cast(draw, tf.int32) * 1_000_003


def draw_uniform(seed, index, shape):
    """(N, *shape) float32, uniform in [-1, 1), a pure function of (seed, position of the image)."""

    def one_image(i):
        return tf.random.stateless_uniform(shape, tf.stack([tf.cast(seed, tf.int32), i]), -1.0, 1.0, alg="philox")

    return tf.map_fn(one_image, tf.cast(index, tf.int32), fn_output_signature=tf.float32)


def numpy_generator(seed, index) -> np.random.Generator:
    """numpy's generator for one image: a pure function of (seed, position of the image)."""
    return np.random.default_rng([int(draw_seed(seed, -1)) & 0xFFFFFFFF, int(index)])
