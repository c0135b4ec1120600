"""The gradient that white-box attacks follow, over one or more draws of the victim's noise (EOT)."""

import tensorflow as tf
from cleverhans.tf2.utils import compute_gradient
from deepbayes.attacks.losses import LOSSES
from deepbayes.attacks.target import Target, draw_seed


def ascent_gradient(target: Target, loss: str, x, y, index, seed, draw=0, draws: int = 1, targeted: bool = False):
    """Gradient in x of the loss of `y` to ascend, or with `targeted` of what brings `y` nearer; shape of x.

    The mean over draws `draw` .. `draw + draws - 1` of the victim's noise: expectation over transformation (Athalye et
    al., arXiv 1802.00420). Zeros where nothing differentiable leads from x to the logits.
    """

    def one(d):
        def logits(v):
            return target.logits(v, index, draw_seed(seed, d))

        gradient = compute_gradient(logits, LOSSES[loss], x, y, targeted)
        return tf.zeros_like(x) if gradient is None else gradient

    if draws == 1:
        return one(draw)
    total = tf.zeros_like(x)
    for d in tf.range(draw, draw + draws):
        total += one(d)
    return total / draws
