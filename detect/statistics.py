"""Detection statistics: how unusual an input looks to a generative classifier (paper, section 3). Larger is stranger.

    marginal   -log p(x)          = -logsumexp_c log p(x, y_c)                       nats
    logit      -log p(x, F(x))    = -log p(x, y) at the label y it is given          nats
    kl         KL(pbar_y || p(y|x)) = sum_c pbar_y[c] (log pbar_y[c] - log p(c|x))   nats
    tv         TV(pbar_y, p(y|x)) = 1/2 sum_c |pbar_y[c] - p(c|x)|                   in [0, 1]

pbar_y is the mean posterior p(y|x) of the training images of class y. logits (N, C) are log p(x, y_c); labels (N,)
integers; mean_posterior (C, C), a row a class; returns (N,). The energies of 2019 leave out normalising constants, so
log p(x) is known up to a constant a data set.

All take the same arguments; what a statistic does not read may be left out. Written once: on keras.ops, so that an
attack can differentiate them, or on NUMPY, in whose float32 the thresholds of 2019 come out to the last bit.
"""

from types import SimpleNamespace

import keras
import numpy as np
import scipy.special

NUMPY = SimpleNamespace(**vars(np) | {"logsumexp": scipy.special.logsumexp})


def log_posterior(logits, ops=keras.ops):
    """log p(y|x): (N, C) nats."""
    return logits - ops.expand_dims(ops.logsumexp(logits, axis=1), 1)


def marginal(logits, labels=None, mean_posterior=None, ops=keras.ops):
    """-log p(x), where the classifier models x."""
    return -ops.logsumexp(logits, axis=1)


def logit(logits, labels, mean_posterior=None, ops=keras.ops):
    """-log p(x, y) at the labels, where the classifier models x."""
    return -ops.take_along_axis(logits, ops.expand_dims(labels, 1), axis=1)[:, 0]


def kl(logits, labels, mean_posterior, ops=keras.ops):
    """KL(pbar_y || p(y|x)) at the labels; terms whose pbar is 0 are 0."""
    mean = ops.take(mean_posterior, labels, axis=0)
    seen = mean > 0
    log_mean = ops.log(ops.where(seen, mean, 1.0))
    return ops.sum(ops.where(seen, mean * (log_mean - log_posterior(logits, ops)), 0.0), axis=1)


def tv(logits, labels, mean_posterior, ops=keras.ops):
    """Total variation distance between pbar_y and p(y|x) at the labels."""
    return 0.5 * ops.sum(
        ops.abs(ops.take(mean_posterior, labels, axis=0) - ops.exp(log_posterior(logits, ops))), axis=1
    )
