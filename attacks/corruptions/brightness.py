"""Brightness: x' = clip(factor x, 0, 1). No adversary: the change a camera or a scanner makes."""

import numpy as np

from deepbayes.attacks.target import Target, check_batch, check_budget


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py; `value` is the factor."""

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        check_budget("factor", value)
        advance(1.0)
        return np.clip(np.float32(value) * x, 0, 1)

    return craft


def cost(options) -> float:
    return 0
