"""A gradient that goes back only through the samples and classes that carry weight.

The gradient of any loss of the logits is a sum over the K * C pairs of sample k and class c of an image,

    sum_(k, c)  w_kc  grad log p(x|z_kc, y_c) + ...,        w_kc = d loss / d log p(x|z_kc, y_c),

where w is a softmax over samples times one over classes: most pairs weigh next to nothing beside the largest of their
image. All pairs are decoded once, which gives the loss and w; then, image by image, the smallest weights are left out
as long as they sum to at most `drop` of the image's sum of |w|, and only the others go back through the decoder. What
reaches x without the decoder costs next to nothing, so that all of it is kept.
Weights are compared within an image because those of a confident one all vanish together. What is left out is small
beside the sum of |w|; beside the gradient as far as the pairs do not cancel, which is tested on trained weights.
"""

import tensorflow as tf

from deepbayes.models.deep_bayes.likelihood import log_likelihood
from deepbayes.models.deep_bayes.networks import ImageDecoder


def log_likelihood_of_pairs(likelihood: str, decoder: ImageDecoder, x, parents: dict, order: str, drop: float):
    """log p(x|.) of every pair, whose gradient in x and z leaves out the pairs described above.

    Args:
      likelihood: one of LIKELIHOODS.
      x: (N, H, W, ch).
      parents: "z": (..., N, Z), and "y": one-hot that broadcasts to it, a constant.
      order: the decoder's parents as its factorisation lists them; the first must be z.
      drop: in [0, 1).

    Returns:
      (..., N) nats: exactly what decoding them all gives. It cannot be differentiated for the decoder's weights.

    Raises:
      ValueError: the first parent is not z.
    """
    if order[0] != "z":
        raise ValueError(f"the gradient goes to the decoder's first parent, which must be z, not {order[0]}")

    @tf.custom_gradient
    def pairs(x, z):
        outputs = decoder.activations([z if p == "z" else parents[p] for p in order])
        means = tf.reshape(outputs[-1], tf.concat([tf.shape(z)[:-1], tf.shape(x)[1:]], 0))
        value = log_likelihood(likelihood, x, means)

        def backward(upstream, variables=None):
            with tf.GradientTape() as tape:
                tape.watch([x, means])
                again = log_likelihood(likelihood, x, means)
            in_x, in_means = tape.gradient(again, [x, means], upstream)
            weights = tf.reshape(upstream, (-1, tf.shape(x)[0]))
            rows = tf.where(tf.reshape(worth_it(weights, drop), (-1,)))[:, 0]
            # the library's convolutions fail on no rows at all; the first one's weight is 0 then
            rows = tf.cond(tf.size(rows) > 0, lambda: rows, lambda: tf.zeros(1, tf.int64))
            in_rows = tf.gather(tf.reshape(in_means, tf.shape(outputs[-1])), rows)
            in_z = decoder.backward([tf.gather(o, rows) for o in outputs], in_rows)
            all_rows = tf.stack([tf.cast(tf.size(weights), tf.int64), z.shape[-1]])
            in_z = tf.reshape(tf.scatter_nd(rows[:, tf.newaxis], in_z, all_rows), tf.shape(z))
            return (in_x, in_z), [None] * len(variables or [])

        return value, backward

    return pairs(x, parents["z"])


def worth_it(weights, drop: float):
    """(P, N) bool: which of the P pairs of each image to keep, so that the others' |weights| sum to at most `drop`.

    Pairs without any weight are left out, those that are not numbers kept.
    """
    size = tf.abs(weights)
    ascending = tf.sort(size, axis=0)
    shares = tf.cumsum(ascending, axis=0) / tf.reduce_sum(size, axis=0)
    first = tf.reduce_sum(tf.cast(shares <= drop, tf.int32), axis=0)
    smallest = tf.gather(tf.transpose(ascending), tf.minimum(first, tf.shape(size)[0] - 1), axis=1, batch_dims=1)
    return tf.logical_not(size < smallest) & (size != 0)
