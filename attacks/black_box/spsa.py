"""SPSA (Uesato et al., arXiv 1802.05666): Adam on a gradient estimated from scores alone.

    g = mean over directions v in {-1, 1}^D of  v (m(x' + delta v) - m(x' - delta v)) / (2 delta),

m the margin of the best other class, which is ascended in an Linf ball. The paper (Table 3): 100 steps, delta .01, rate
.01, 2,000 samples a gradient, which is 200,000 evaluations an image; the defaults here are meant for a CPU.
"""

import numpy as np
import tensorflow as tf

from deepbayes.attacks.linf_ascent import project
from deepbayes.attacks.losses import margin
from deepbayes.attacks.target import Target, check_batch, check_budget, draw_seed, draw_uniform

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py. An image stops once its margin is above `stop` nats; the victim's noise stays frozen."""
    o, sign = options, -1.0 if targeted else 1.0

    def score(moved, y, index, seed):
        return sign * margin(y, target.logits(moved, index, seed))

    @tf.function
    def estimate(moved, y, index, seed, step):
        total = tf.zeros_like(moved)
        for k in tf.range(o.directions):
            draws = draw_uniform(draw_seed(seed, -1 - step * o.directions - k), index, moved.shape[1:])
            v = tf.where(draws < 0, -1.0, 1.0)
            ahead = score(moved + o.delta * v, y, index, seed)
            slope = (ahead - score(moved - o.delta * v, y, index, seed)) / (2 * o.delta)
            total += tf.reshape(slope, (-1, *[1] * (len(moved.shape) - 1))) * v
        return total / o.directions

    compiled_score = tf.function(score)

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        check_budget("eps", value)
        x, arguments = tf.constant(x), (tf.constant(y), tf.constant(index), tf.constant(seed))
        moved, m, v = x, tf.zeros_like(x), tf.zeros_like(x)
        for step in range(o.steps):
            going = compiled_score(moved, *arguments).numpy() < o.stop
            if not going.any():
                break
            gradient = estimate(moved, *arguments, tf.constant(step))
            m, v = _BETA1 * m + (1 - _BETA1) * gradient, _BETA2 * v + (1 - _BETA2) * gradient**2
            rate = o.learning_rate * np.sqrt(1 - _BETA2 ** (step + 1)) / (1 - _BETA1 ** (step + 1))
            wide = going.reshape(-1, *[1] * (len(x.shape) - 1))
            moved = tf.where(wide, project(moved + rate * m / (tf.sqrt(v) + _EPSILON), x, value), moved)
            advance(1 / o.steps)
        return moved.numpy()

    return craft


def cost(options) -> float:
    return options.steps * (2 * options.directions + 1)
