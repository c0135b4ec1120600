"""WB+S and WB+S+M, +L, +K (paper, appendix A.1): PGD on every sample's posterior that also evades a detector.

Eq. 3, minimised over the perturbation in an Linf ball, for each image:

    sum_k log p_k(y|x') + lambda max(0, statistic(x') - threshold)

p_k the posterior of the k-th sample alone; the statistic that of marginal, logit, KL or TV detection on the combined
logits, at the class they give to x', against that class's threshold. The released code differs: it averages over k, so
that lambda weighs K times more, and holds every image's statistic at the predicted classes of the whole batch. Both are
options, on under the protocols of 2019.
"""

import math

import numpy as np
import tensorflow as tf

from deepbayes.attacks.linf_ascent import Steps, compile_ascent, run_ascent
from deepbayes.attacks.losses import cross_entropy, log_odds
from deepbayes.attacks.registry import GRADIENT_COST
from deepbayes.attacks.target import Target, check_batch, draw_seed, draw_uniform


def build(target: Target, options, targeted: bool = False):
    """See attacks/target.py.

    Raises:
      ValueError: the victim has no per-sample logits, or no detector of that statistic.
    """
    o, fresh, weight = options, options.noise == "fresh", float(options.lambda_)
    if target.snapshot is None:
        raise ValueError("WB+S attacks the posterior of each sample, and this victim has no samples")
    if o.statistic != "none" and o.statistic not in target.detectors:
        known = ", ".join(target.detectors) or "none"
        raise ValueError(f"this victim has no {o.statistic} detector to evade; it has: {known} (or --statistic none)")

    def objective(moved, y, index, seed):
        snapshot = target.snapshot(moved, index, seed)
        combined = tf.reduce_logsumexp(snapshot, axis=0) - math.log(snapshot.shape[0])
        attacked = combined[tf.newaxis] if o.posterior == "combined" else snapshot
        loss = _loss(o.loss, attacked, y)
        loss = tf.reduce_sum(loss, axis=0) if o.over_samples == "sum" else tf.reduce_mean(loss, axis=0)
        loss = -loss if targeted else loss
        return loss if o.statistic == "none" else loss - weight * evasion(combined)

    def evasion(logits):
        """(N,): how far each image is above the threshold, 0 below it."""
        statistic, thresholds = target.detectors[o.statistic]
        n, labels = logits.shape[0], tf.argmax(logits, axis=1, output_type=tf.int32)
        if o.crosstalk == "no":
            return tf.nn.relu(statistic(logits, labels) - tf.gather(thresholds, labels))
        pairs, theirs = tf.repeat(logits, n, axis=0), tf.tile(labels, [n])  # image by image, the classes of all
        above = tf.nn.relu(statistic(pairs, theirs) - tf.gather(thresholds, theirs))
        return tf.reduce_mean(tf.reshape(above, (n, n)), axis=1)

    def gradient(moved, t, y, index, seed):
        with tf.GradientTape() as tape:
            tape.watch(moved)
            value = objective(moved, y, index, draw_seed(seed, t) if fresh else seed)
        return tape.gradient(value, moved)

    ascend = compile_ascent(gradient)

    def craft(x, y, index, value, seed, advance=lambda share: None):
        check_batch(x, y, index, target.classes)
        start = np.asarray(x)
        if o.start == "uniform":
            start = start + value * draw_uniform(draw_seed(seed, -1), index, x.shape[1:]).numpy()
        arguments = tf.constant(y), tf.constant(index), tf.constant(seed)
        return run_ascent(ascend, x, start, value, Steps(o.steps, o.step_size), arguments, advance).numpy()

    return craft


def _loss(name: str, logits, y):
    """(K, N) float32 from logits (K, N, C).

    Cross-entropy in float64: a sample that is sure underflows in float32. The library's, 2019's, still rounds p_y - 1
    to 0 beyond 36 nats all the same; softplus of the log-odds, which is the same function, keeps it up to 87 nats,
    where float32, in which logits and images are, ends. 2019 attacked combined logits in float32.
    """
    k, n, classes = logits.shape
    flat, labels = tf.reshape(logits, (k * n, classes)), tf.tile(y, [k])
    if name == "log-odds":
        value = log_odds(labels, flat)
    elif name == "cross-entropy":
        value = cross_entropy(labels, flat if k == 1 else tf.cast(flat, tf.float64))
    else:
        value = tf.nn.softplus(log_odds(labels, tf.cast(flat, tf.float64)))
    return tf.cast(tf.reshape(value, (k, n)), tf.float32)


def cost(options) -> float:
    return GRADIENT_COST * options.steps
