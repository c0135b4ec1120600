"""Momentum iterative method (Dong et al., arXiv 1710.06081): sign ascent of an accumulated, normalised gradient.

CleverHans's `momentum_iterative_method`, to which a test holds it, in a loop that is compiled once and can draw the
victim's noise afresh. The paper: 40 steps of .01, decay 1; the released code says 100 steps.
"""

import tensorflow as tf

from deepbayes.attacks.gradients import LossGradient
from deepbayes.attacks.linf_ascent import Steps, compile_ascent, run_ascent
from deepbayes.attacks.registry import GRADIENT_COST
from deepbayes.attacks.target import Target, check_batch


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py."""
    o, fresh = options, options.noise == "fresh"

    ascend = compile_ascent(LossGradient(target, o.loss, o.eot, targeted).at_step(fresh), o.decay)
    steps = Steps(o.steps, o.step_size)

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        arguments = tf.constant(y), tf.constant(index), tf.constant(seed)
        return run_ascent(ascend, x, x, value, steps, arguments, advance).numpy()

    return craft


def cost(options) -> float:
    return GRADIENT_COST * options.steps * options.eot
