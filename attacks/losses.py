"""Per-image losses that gradient attacks ascend, as CleverHans calls them: loss(labels, logits) -> (N,).

Logits are log p(x, y_c) in nats, never probabilities.
"""

from collections.abc import Callable

import tensorflow as tf


def log_odds(labels, logits):
    """m = logsumexp over the other classes - logit of `labels`.

    Cross-entropy is softplus(m), so m has the same gradient direction, but cannot underflow: in float32 cross-entropy
    loses the true class's term beyond about 17 nats of margin and its gradient is exactly 0 beyond about 90.
    """
    return tf.reduce_logsumexp(_others(labels, logits), axis=1) - _at(labels, logits)


def cross_entropy(labels, logits):
    """-log softmax(logits)[labels]: the loss of 2019."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def margin(labels, logits):
    """The best other class's logit less that of `labels`, positive where the label is not given (Carlini, Wagner)."""
    return tf.reduce_max(_others(labels, logits), axis=1) - _at(labels, logits)


def _at(labels, logits):
    return tf.gather(logits, labels, axis=1, batch_dims=1)


def _others(labels, logits):
    own = tf.one_hot(labels, logits.shape[1], on_value=True, off_value=False)
    return tf.where(own, tf.constant(-float("inf"), logits.dtype), logits)


LOSSES: dict[str, Callable] = {"log-odds": log_odds, "cross-entropy": cross_entropy, "margin": margin}
