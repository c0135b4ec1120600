"""Square attack in Linf (Andriushchenko et al., arXiv 1912.00049): random search with squares, from scores alone.

It starts at x + eps times random vertical stripes of -1 and 1. Each query replaces the perturbation in one random
square of side s = sqrt(p H W) by -eps or eps, a sign a channel, and keeps the change where the margin of the best other
class rises; p falls from `first_share` by halves at set shares of the queries (the schedule of the source, section
3.1). The standard check that gradients are not masked.
"""

import numpy as np
import tensorflow as tf

from deepbayes.attacks.losses import margin
from deepbayes.attacks.target import Target, check_batch, check_budget, numpy_generator

_HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after which p is halved: 10, 50, 200, ... of 10,000."""


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py. The victim's noise stays frozen, else lucky draws would be kept."""
    o, sign = options, -1.0 if targeted else 1.0

    @tf.function
    def score(moved, y, index, seed):
        return sign * margin(y, target.logits(moved, index, seed))

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        check_budget("eps", value)
        arguments = tf.constant(y), tf.constant(index), tf.constant(seed)
        generators = [numpy_generator(seed, i) for i in index]
        height, width, channels = x.shape[1:]
        delta = np.stack([g.choice([-value, value], size=(1, width, channels)) for g in generators])
        delta = np.broadcast_to(delta, x.shape).astype(np.float32)
        best = np.clip(x + delta, 0, 1)
        best_score = score(tf.constant(best), *arguments).numpy()
        for query in range(1, o.queries):
            if np.all(best_score > 0):
                break
            side = square_side(o.first_share, query / o.queries, height, width)
            tried = best.copy()
            for image, g in enumerate(generators):
                top, left = g.integers(0, height - side + 1), g.integers(0, width - side + 1)
                window = (image, slice(top, top + side), slice(left, left + side))
                tried[window] = np.clip(x[window] + g.choice([-value, value], size=channels), 0, 1)
            found = score(tf.constant(tried), *arguments).numpy()
            better = (found > best_score) & (best_score <= 0)  # a success is left as it is
            best[better], best_score[better] = tried[better], found[better]
            advance(1 / o.queries)
        return best

    return craft


def square_side(first_share: float, done: float, height: int, width: int) -> int:
    """The side of the square when this share of the queries is spent."""
    share = first_share / 2 ** sum(done > h for h in _HALVINGS)
    return max(1, min(round(np.sqrt(share * height * width)), height, width))


def cost(options) -> float:
    return options.queries
