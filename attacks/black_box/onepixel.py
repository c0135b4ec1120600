"""One-pixel attack (Su et al., arXiv 1710.08864): L pixels set to values that LOWER the true class's probability.

    minimise over (row, column, value of each channel) of L pixels:   log p(y|x') - log(1 - p(y|x'))

(targeted: its opposite, for the target) by scipy's differential evolution: DE/rand/1, F = .5, no crossover, as in the
source, a generation in batches. The log-odds order images as p does, and go on where float32's p is 1: beyond a margin
of 17 nats p itself would show no difference. (A published port maximised the true class's probability.)
"""

import numpy as np
import tensorflow as tf
from scipy.optimize import differential_evolution

from deepbayes.attacks.losses import log_odds
from deepbayes.attacks.target import Target, check_batch, numpy_generator


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py; `value` is L. The victim's noise stays frozen; an image ends once it is misclassified."""
    o = options

    @tf.function
    def scores(moved, y, index, seed):
        """Log-odds of y, and the class that is given."""
        logits = target.logits(moved, index, seed)
        return -log_odds(y, logits), tf.argmax(logits, axis=1, output_type=tf.int32)

    def one_image(x, y, index, pixels, seed, batch):
        height, width, channels = x.shape
        bounds = ([(0, height), (0, width)] + [(0, 1)] * channels) * pixels
        found = {}

        def energy(candidates):
            """(parameters, S) -> (S,): log-odds of y, to be lowered."""
            values = []
            for first in range(0, candidates.shape[1], batch):
                rows = np.minimum(np.arange(first, first + batch), candidates.shape[1] - 1)
                moved = set_pixels(x, candidates.T[rows])
                odds, labels = scores(
                    tf.constant(moved), tf.fill((batch,), tf.constant(y)), tf.fill((batch,), tf.constant(index)), seed
                )
                hits = labels.numpy() == y if targeted else labels.numpy() != y
                if hits.any():
                    found.setdefault("image", moved[np.argmax(hits)])
                values.append((-odds if targeted else odds).numpy()[: candidates.shape[1] - first])
            return np.concatenate(values)

        generator = numpy_generator(seed, index)
        start = generator.uniform([low for low, _ in bounds], [high for _, high in bounds], (o.population, len(bounds)))
        result = differential_evolution(
            energy, bounds, strategy="rand1bin", init=start, maxiter=o.generations, mutation=0.5, recombination=1.0,
            polish=False, tol=0, rng=generator, vectorized=True, updating="deferred",
            callback=lambda intermediate_result: "image" in found,
        )  # fmt: skip
        return found.get("image", set_pixels(x, result.x[None])[0])

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        if value < 1 or not float(value).is_integer():
            raise ValueError(f"the number of pixels must be a whole number of at least 1, not {value}")
        images = []
        for row in range(len(x)):
            if row and index[row] == index[row - 1]:  # a last batch is filled up with its last image
                images.append(images[-1])
            else:
                images.append(one_image(x[row], y[row], index[row], int(value), tf.constant(seed), len(x)))
            advance(1 / len(x))
        return np.stack(images)

    return craft


def set_pixels(x, candidates) -> np.ndarray:
    """x (H, W, ch) with pixels set by each candidate (S, L (2 + ch)): row, column, values; (S, H, W, ch)."""
    height, width, channels = x.shape
    moved = np.repeat(x[None], len(candidates), axis=0)
    for pixel in np.split(candidates, candidates.shape[1] // (2 + channels), axis=1):
        row = np.clip(pixel[:, 0].astype(int), 0, height - 1)
        column = np.clip(pixel[:, 1].astype(int), 0, width - 1)
        moved[np.arange(len(moved)), row, column] = np.clip(pixel[:, 2:], 0, 1)
    return moved


def cost(options) -> float:
    return options.population * (options.generations + 1)
