"""The gradient that white-box attacks follow, over one or more draws of the victim's noise (EOT)."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
from cleverhans.tf2.utils import compute_gradient

from deepbayes.attacks.losses import LOSSES
from deepbayes.attacks.target import Target, draw_seed


@dataclass(frozen=True)
class LossGradient:
    """Gradient in x of a loss of the labels to ascend, or with `targeted` of what brings the labels nearer.

    Attributes:
      loss: one of LOSSES.
      draws: of the victim's noise that it is the mean over: expectation over transformation (Athalye et al., arXiv
        1802.00420).
    """

    target: Target
    loss: str
    draws: int = 1
    targeted: bool = False

    def __call__(self, x, y, index, seed, draw=0):
        """As x, over the draws `draw` .. `draw` + draws - 1; zeros where nothing differentiable leads to the logits."""

        def one(d):
            def logits(v):
                return self.target.logits(v, index, draw_seed(seed, d))

            gradient = compute_gradient(logits, LOSSES[self.loss], x, y, self.targeted)
            return tf.zeros_like(x) if gradient is None else gradient

        if self.draws == 1:
            return one(draw)
        total = tf.zeros_like(x)
        for d in tf.range(draw, draw + self.draws):
            total += one(d)
        return total / self.draws

    def at_step(self, fresh: bool) -> Callable:
        """(x, number of the step, y, index, seed) -> gradient; `fresh`: every step sees noise of its own."""
        return lambda x, t, *arguments: self(x, *arguments, draw=t * self.draws if fresh else 0)
