"""Contrast: x' = clip(mean + factor (x - mean), 0, 1), mean the image's own, a channel at a time. No adversary."""

import numpy as np

from deepbayes.attacks.target import Target, check_batch, check_budget


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py; `value` is the factor."""

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        check_budget("factor", value)
        advance(1.0)
        mean = x.mean(axis=(1, 2), keepdims=True)
        return np.clip(mean + np.float32(value) * (x - mean), 0, 1)

    return craft


def cost(options) -> float:
    return 0
