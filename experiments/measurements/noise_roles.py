"""Roles of noise: a seed of its own for everything random in a run, so that no part sees the draw of another."""

import tensorflow as tf

EVALUATION, ATTACK, FRESH, CALIBRATION, DETECTION = 0, 1, 2, 500, 501
"""What a result is measured with, what an attack's gradient sees, the first of the fresh draws, what thresholds are set
on, and the second evaluation of the 2019 detection."""
_ROLES = 1000


def noise_seed(seed: int, role: int) -> tf.Tensor:
    """A seed of its own for each role of a run."""
    return tf.constant(seed * _ROLES + role, tf.int32)
