"""Iterated sign ascent inside an Linf ball: what PGD, MIM and the detector-aware attack share.

g_t = gradient at x_t           (with momentum: g_t = decay g_(t-1) + gradient / mean |gradient|)
x_(t+1) = clip(x + clip(x_t + step sign(g_t) - x, -eps, eps), 0, 1)
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from cleverhans.tf2.utils import clip_eta, optimize_linear

from deepbayes.attacks.target import check_budget

CHUNK = 10
"""Steps between two messages of progress."""


def project(moved, x, eps):
    """`moved` inside the ball around x and the pixel range."""
    return tf.clip_by_value(x + clip_eta(moved - x, np.inf, eps), 0.0, 1.0)


def compile_ascent(gradient, decay: float | None = None):
    """One graph of some steps: (x, moved, momentum, eps, step_size, first, last, *arguments) -> (moved, momentum).

    Args:
      gradient: (moved, step number, *arguments) -> gradient to ascend, as x.
      decay: of the momentum; None for none.
    """

    @tf.function
    def ascend(x, moved, momentum, eps, step_size, first, last, *arguments):
        for t in tf.range(first, last):
            g = gradient(moved, t, *arguments)
            if decay is not None:
                size = tf.reduce_mean(tf.abs(g), axis=list(range(1, len(g.shape))), keepdims=True)
                momentum = decay * momentum + g / tf.maximum(size, 1e-12)
                g = momentum
            moved = project(moved + optimize_linear(g, step_size), x, eps)
        return moved, momentum

    return ascend


@dataclass(frozen=True)
class Steps:
    """How many steps, how long (pixel scale), and the number of the first one."""

    count: int
    size: float
    first: int = 0


def run_ascent(ascend, x, start, eps: float, steps: Steps, arguments, advance=lambda share: None):
    """All steps from `start`, in chunks; a step is never longer than eps.

    Raises:
      ValueError: eps or the step size is negative or not finite.
    """
    check_budget("eps", eps)
    check_budget("step size", steps.size)
    x, moved, momentum = tf.constant(x), tf.convert_to_tensor(start), tf.zeros_like(x)
    radius, length = tf.constant(eps, tf.float32), tf.constant(min(steps.size, eps), tf.float32)
    moved = project(moved, x, radius)
    last = steps.first + steps.count
    for begin in range(steps.first, last, CHUNK):
        end = min(begin + CHUNK, last)
        moved, momentum = ascend(x, moved, momentum, radius, length, tf.constant(begin), tf.constant(end), *arguments)
        advance((end - begin) / steps.count)
    return moved
