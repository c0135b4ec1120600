"""Fast gradient sign method (Goodfellow et al., arXiv 1412.6572): x' = clip(x + eps * sign(grad_x loss(x, y)), 0, 1).

The direction does not depend on eps, so one gradient serves a whole grid.
"""

import numpy as np
import tensorflow as tf

from deepbayes.attacks.gradients import LossGradient
from deepbayes.attacks.registry import GRADIENT_COST
from deepbayes.attacks.target import Target, check_batch, check_budget


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py."""
    gradient = LossGradient(target, options.loss, options.eot, targeted)
    known: dict[tuple, np.ndarray] = {}

    @tf.function
    def compiled(x, y, index, seed):
        return tf.sign(gradient(x, y, index, seed))

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        key = (int(seed), np.asarray(x).tobytes(), np.asarray(y).tobytes(), np.asarray(index).tobytes())
        if key not in known:
            known[key] = compiled(tf.constant(x), tf.constant(y), tf.constant(index), tf.constant(seed)).numpy()
        advance(1.0)
        return perturb(x, known[key], value)

    return craft


def perturb(x, direction, eps: float) -> np.ndarray:
    """The adversarial images at eps: x + eps * direction, clipped to [0, 1].

    Raises:
      ValueError: eps is negative or not finite.
    """
    check_budget("eps", eps)
    return np.clip(x + np.float32(eps) * direction, 0.0, 1.0)


def cost(options) -> float:
    return GRADIENT_COST * options.eot
