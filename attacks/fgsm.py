"""Fast gradient sign method (Goodfellow et al., arXiv 1412.6572): x' = clip(x + eps * sign(grad_x loss(x, y)), 0, 1).

By CleverHans 4.0's function. The direction does not depend on eps, so one gradient serves a whole grid: `direction`
makes one unclipped call at eps 1, `perturb` scales and clips.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from cleverhans.tf2.attacks.fast_gradient_method import fast_gradient_method

from attacks.losses import LOSSES


def direction(victim: Callable, x, y, loss: str = "log-odds", targeted: bool = False):
    """sign(gradient), in {-1, 0, 1}: 0 where the gradient is exactly 0. Shape of x.

    Args:
      victim: images (N, ...) -> logits (N, C).
      x: (N, ...) float32 in [0, 1].
      y: (N,) integers: the true labels, or with `targeted` the labels to reach.
      loss: one of LOSSES.
    """
    moved = fast_gradient_method(victim, x, 1.0, np.inf, loss_fn=LOSSES[loss], y=y, targeted=targeted)
    return tf.round(moved - x)


def perturb(x, direction, eps: float):
    """The adversarial images at eps: x + eps * direction, clipped to [0, 1].

    Raises:
      ValueError: eps is negative or not finite.
    """
    if not (np.isfinite(eps) and eps >= 0):
        raise ValueError(f"eps must be finite and not negative, not {eps}")
    return tf.clip_by_value(x + eps * direction, 0.0, 1.0)
