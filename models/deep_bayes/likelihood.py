"""log p(x|.) given the decoder's output, on TFP distributions: l2 (the paper's), l1, bernoulli, gaussian.

The 2019 code used energies without normalising constants; they are the log-densities of these distributions up to a
constant per data set, which is taken off again so that bounds compare with 2019's (nats, up to that constant):

    l2         -sum (x - mu)^2                  Normal(mu, sqrt(1/2)) less -(D/2) log pi
    l1         -sum |x - mu|                    Laplace(mu, 1) less -D log 2
    bernoulli  sum x log p + (1-x) log(1-p)     Bernoulli, with p and 1-p floored at 1e-9 inside the logarithms
    gaussian   log Normal(x; mu, 1)             normalised
"""

import math
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

_PROBABILITY_FLOOR = 1e-9


def _l2(mean):
    return tfd.Normal(mean, math.sqrt(0.5)), 0.5 * math.log(math.pi)


def _l1(mean):
    return tfd.Laplace(mean, 1.0), math.log(2.0)


def _bernoulli(mean):
    log_p = tf.math.log(tf.maximum(mean, _PROBABILITY_FLOOR))
    log_not_p = tf.math.log(tf.maximum(1.0 - mean, _PROBABILITY_FLOOR))
    return tfd.Bernoulli(logits=log_p - log_not_p, dtype=tf.float32), 0.0


def _gaussian(mean):
    return tfd.Normal(mean, 1.0), 0.0


LIKELIHOODS: dict[str, Callable] = {"l2": _l2, "l1": _l1, "bernoulli": _bernoulli, "gaussian": _gaussian}


def log_likelihood(name: str, x, mean):
    """log p(x | mean) in nats, up to the constant named above.

    Args:
      name: one of LIKELIHOODS.
      x: (N, ...) observed images or features.
      mean: (..., N, ...) output of the decoder; its leading axes are kept.

    Returns:
      The axes of `mean` that precede and include N.
    """
    distribution, constant_per_dimension = LIKELIHOODS[name](mean)
    event_axes = list(range(1 - len(x.shape), 0))
    return tf.reduce_sum(distribution.log_prob(x) + constant_per_dimension, event_axes)
