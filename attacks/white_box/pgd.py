"""Projected gradient descent (Madry et al., arXiv 1706.06083): sign ascent in an Linf ball from a random start.

Without restarts and EOT it is CleverHans's `projected_gradient_descent`, to which a test holds it; that function
unrolls its steps, freezes a victim's noise when traced and knows no restarts. The paper: 40 steps of .01 (appendix E).
"""

import numpy as np
import tensorflow as tf

from deepbayes.attacks.gradients import LossGradient
from deepbayes.attacks.linf_ascent import Steps, compile_ascent, run_ascent
from deepbayes.attacks.losses import log_odds
from deepbayes.attacks.registry import GRADIENT_COST
from deepbayes.attacks.target import Target, check_batch, draw_seed, draw_uniform


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py.

    Of several restarts an image keeps the one with the highest log-odds against its label, over `eot` draws.
    """
    o, fresh = options, options.noise == "fresh"

    ascend = compile_ascent(LossGradient(target, o.loss, o.eot, targeted).at_step(fresh))

    @tf.function
    def score(moved, y, index, seed):
        draws = [log_odds(y, target.logits(moved, index, draw_seed(seed, d))) for d in range(o.eot)]
        return -tf.add_n(draws) if targeted else tf.add_n(draws)

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        arguments = tf.constant(y), tf.constant(index), tf.constant(seed)
        best, best_score = None, None
        for restart in range(o.restarts):
            start = np.asarray(x)
            if o.start == "uniform":
                start = start + value * draw_uniform(draw_seed(seed, -1 - restart), index, x.shape[1:]).numpy()
            steps = Steps(o.steps, o.step_size, first=restart * o.steps)
            moved = run_ascent(
                ascend, x, start, value, steps, arguments, lambda share: advance(share / o.restarts)
            ).numpy()  # fmt: skip
            if o.restarts == 1:
                return moved
            found = score(moved, *arguments).numpy()
            if best is None:
                best, best_score = moved, found
            else:
                better = found > best_score
                best[better], best_score[better] = moved[better], found[better]
        return best

    return craft


def cost(options) -> float:
    return GRADIENT_COST * options.steps * options.restarts * options.eot
