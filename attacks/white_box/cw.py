"""Carlini and Wagner's L2 attack (arXiv 1608.04644), with the semantics of CleverHans 2.0 that 2019 ran.

    x' = (tanh(atanh(.999999 (2x - 1)) + w) + 1) / 2,   minimise over w:  |x' - x|^2 + c max(0, margin + confidence)

by TF 1's Adam. c is a number an image, moved by binary search where there is more than one search step; the image of
the smallest squared L2 norm that is misclassified (with the confidence) is kept, and where none is, the original one.
True labels untargeted. Where the noise is fresh and one draw a step, that is the image that one draw of a thousand
misclassified, which the next need not: with `eot` the mean over several decides. CleverHans 4.0's class cannot be run
on Keras 3, multiplies c by the image's size and aims AT the labels it is given; its loss and its change of variable are
used here.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from cleverhans.tf2.attacks.carlini_wagner_l2 import clip_tanh, loss_fn

from deepbayes.attacks.registry import GRADIENT_COST
from deepbayes.attacks.target import Target, check_batch, check_budget, draw_seed

CHUNK = 25
"""Steps between two messages of progress."""
_BETA1, _BETA2, _EPSILON = np.float32(0.9), np.float32(0.999), 1e-8  # TF 1's Adam: 1 - beta is rounded, too
_NONE, _LARGEST = 1e10, 1e9


def learning_rate(option, c: float) -> float:
    """The option itself, or the paper's rate at this c for "by-c" (appendix E)."""
    return {100.0: 0.03, 1000.0: 0.1}.get(float(c), 0.01) if option == "by-c" else float(option)


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py; `value` is c."""
    o, fresh = options, options.noise == "fresh"

    def evaluate(w, batch, one_hot, c, draw):
        """Gradient in w, x', logits and squared L2 norm; gradient and log-probabilities are means over draws."""

        def one(d):
            with tf.GradientTape() as tape:
                tape.watch(w)
                moved = clip_tanh(w + batch.start, 0.0, 1.0)
                logits = target.logits(moved, batch.index, draw_seed(batch.seed, d))
                loss, l2 = loss_fn(batch.start, moved, one_hot, logits, o.confidence, c, targeted, 0.0, 1.0)
            return tape.gradient(loss, w), moved, logits, l2

        gradient, moved, logits, l2 = one(draw)
        if o.eot == 1:
            return gradient, moved, logits, l2
        likely = tf.nn.log_softmax(logits)
        for d in range(1, o.eot):
            another, _, logits, _ = one(draw + d)
            gradient, likely = gradient + another, likely + tf.nn.log_softmax(logits)
        return gradient / o.eot, moved, likely / o.eot, l2

    powers1, powers2 = (tf.constant(np.cumprod(np.full(o.steps, b, np.float32))) for b in (_BETA1, _BETA2))

    @tf.function
    def descend(state, batch, c, rate, first, last, offset):
        w, m, v, best = state
        one_hot = tf.one_hot(batch.y, target.classes)
        for t in tf.range(first, last):
            draw = (offset + t) * o.eot if fresh else tf.constant(0)
            gradient, moved, logits, l2 = evaluate(w, batch, one_hot, c, draw)
            shifted = logits - one_hot * o.confidence if targeted else logits + one_hot * o.confidence
            label = tf.argmax(shifted, axis=1, output_type=tf.int32)
            best = best.improved(moved, l2, label == batch.y if targeted else label != batch.y)
            m, v = m + (1 - _BETA1) * (gradient - m), v + (1 - _BETA2) * (gradient**2 - v)
            scale = rate * tf.sqrt(1 - powers2[t]) / (1 - powers1[t])
            w -= scale * m / (tf.sqrt(v) + _EPSILON)
        return w, m, v, best

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        check_budget("c", value)
        x, rate = tf.constant(x), tf.constant(learning_rate(o.learning_rate, value), tf.float32)
        start = tf.constant(np.arctanh((2 * np.asarray(x) - 1) * np.float32(0.999999)))
        batch = _Batch(start, tf.constant(y, tf.int32), tf.constant(index), tf.constant(seed))
        search = _Search(len(y), value)
        l2, images = tf.fill((len(y),), _NONE), x  # the best of all search steps
        for k in range(o.search_steps):
            w = m = v = tf.zeros_like(x)
            state = (w, m, v, _Best(l2, images, tf.fill((len(y),), False)))
            c = tf.constant(search.next(last=k == o.search_steps - 1 and o.search_steps >= 10), tf.float32)
            for first in range(0, o.steps, CHUNK):
                last = min(first + CHUNK, o.steps)
                bounds = (tf.constant(b) for b in (first, last, k * o.steps))
                state = descend(state, batch, c, rate, *bounds)
                advance((last - first) / (o.steps * o.search_steps))
            l2, images, success = state[-1]
            search.learn(success.numpy())
        return images.numpy()

    return craft


class _Batch(NamedTuple):
    """Images in the variable that is descended in, their attacked labels, positions, and the seed of noise."""

    start: tf.Tensor
    y: tf.Tensor
    index: tf.Tensor
    seed: tf.Tensor


class _Best(NamedTuple):
    """The best images so far: their squared L2 norms, the images, and whether one was found in this search step."""

    l2: tf.Tensor
    images: tf.Tensor
    success: tf.Tensor

    def improved(self, moved, l2, hit) -> "_Best":
        """With those that are misclassified by the confidence (`hit`), with a smaller norm than any before."""
        better = hit & (l2 < self.l2)
        wide = tf.reshape(better, (-1, *[1] * (len(moved.shape) - 1)))
        return _Best(tf.where(better, l2, self.l2), tf.where(wide, moved, self.images), self.success | hit)


class _Search:
    """Binary search over c, an image at a time."""

    def __init__(self, n: int, c: float):
        self.c = np.full(n, c)
        self.low, self.high = np.zeros(n), np.full(n, _NONE)

    def next(self, last: bool) -> np.ndarray:
        """c of the coming search step; the last of ten or more repeats the largest that is known to succeed."""
        if last:
            self.c = self.high.copy()
        return self.c

    def learn(self, success) -> None:
        """Where a step succeeded a smaller c is tried, elsewhere a larger one."""
        self.high = np.where(success, np.minimum(self.high, self.c), self.high)
        self.low = np.where(success, self.low, np.maximum(self.low, self.c))
        middle = (self.low + self.high) / 2
        self.c = np.where(self.high < _LARGEST, middle, np.where(success, self.c, self.c * 10))


def cost(options) -> float:
    return GRADIENT_COST * options.steps * options.search_steps * options.eot
