"""Momentum iterative method (Dong et al., arXiv 1710.06081): sign ascent of an accumulated, normalised gradient.

CleverHans's `momentum_iterative_method`, to which a test holds it, in a loop that is compiled once and can draw the
victim's noise afresh. The paper: 40 steps of .01, decay 1; the released code says 100 steps.
"""

import tensorflow as tf
from deepbayes.attacks.gradients import ascent_gradient
from deepbayes.attacks.linf_ascent import compile_ascent, run_ascent
from deepbayes.attacks.registry import GRADIENT_COST
from deepbayes.attacks.target import Target, check_batch


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py."""
    o, fresh = options, options.noise == "fresh"

    def gradient(moved, t, y, index, seed):
        return ascent_gradient(target, o.loss, moved, y, index, seed, t * o.eot if fresh else 0, o.eot, targeted)

    ascend = compile_ascent(gradient, o.decay)

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        arguments = tf.constant(y), tf.constant(index), tf.constant(seed)
        return run_ascent(ascend, x, x, value, o.step_size, o.steps, arguments, advance=advance).numpy()

    return craft


def cost(options) -> float:
    return GRADIENT_COST * options.steps * options.eot
