"""Random noise: x' = clip(x + scale u, 0, 1), u uniform in [-1, 1) or standard normal. No adversary."""

import numpy as np

from deepbayes.attacks.target import Target, check_batch, check_budget, numpy_generator


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py; `value` is the scale."""

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        check_budget("scale", value)
        generators = [numpy_generator(seed, i) for i in index]
        if options.kind == "uniform":
            draws = [g.uniform(-1, 1, x.shape[1:]) for g in generators]
        else:
            draws = [g.standard_normal(x.shape[1:]) for g in generators]
        advance(1.0)
        return np.clip(x + np.float32(value) * np.stack(draws).astype(np.float32), 0, 1)

    return craft


def cost(options) -> float:
    return 0
