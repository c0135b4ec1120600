"""A gradient that goes back only through the samples and classes that carry weight.

The gradient of any loss of the logits is a sum over the K * C pairs of sample k and class c of an image,

    sum_(k, c)  w_kc  grad log p(x|z_kc, y_c) + ...,        w_kc = d loss / d log p(x|z_kc, y_c),

where w is a softmax over samples times one over classes: most pairs weigh next to nothing beside the largest of their
image. All pairs are decoded once, which gives the loss and w; then, image by image, the smallest weights are left out
as long as they sum to at most `drop` of the image's sum of |w|, and only the others go back through the decoder.
Weights are compared within an image because those of a confident one all vanish together. What is left out is small
beside the sum of |w|; beside the gradient as far as the pairs do not cancel, which is tested on trained weights.
"""

import tensorflow as tf

from models.likelihood import log_likelihood
from models.networks import ImageDecoder


def log_likelihood_of_pairs(likelihood: str, decoder: ImageDecoder, x, parents: dict, order: str, drop: float):
    """log p(x|.) of every pair, whose gradient in x and z leaves out the pairs described above.

    Args:
      likelihood: one of LIKELIHOODS.
      x: (N, H, W, ch).
      parents: "z": (..., N, Z), and "y": one-hot that broadcasts to it, a constant.
      order: the decoder's parents as its factorisation lists them, z first.
      drop: in [0, 1).

    Returns:
      (..., N) nats: exactly what decoding them all gives. It cannot be differentiated for the decoder's weights.
    """

    @tf.custom_gradient
    def pairs(x, z):
        outputs = decoder.activations([z if p == "z" else parents[p] for p in order])
        means = tf.reshape(outputs[-1], tf.concat([tf.shape(z)[:-1], tf.shape(x)[1:]], 0))
        value = log_likelihood(likelihood, x, means)

        def backward(upstream, variables=None):
            n, dim_z = tf.shape(x)[0], z.shape[-1]
            weights = tf.reshape(upstream, (-1, n))
            rows = tf.where(tf.reshape(worth_it(weights, drop), (-1,)))[:, 0]
            image = rows % tf.cast(n, tf.int64)
            own, mean = tf.gather(x, image), tf.gather(outputs[-1], rows)
            with tf.GradientTape() as tape:
                tape.watch([own, mean])
                # as x (N, ...) and means (..., N, ...) with N the pairs that are left
                ours = log_likelihood(likelihood, own, mean)
            in_x, in_mean = tape.gradient(ours, [own, mean], tf.gather(tf.reshape(weights, (-1,)), rows))
            in_z = decoder.backward([tf.gather(o, rows) for o in outputs], in_mean)
            total = tf.cast(tf.size(weights), tf.int64)
            in_z = tf.reshape(tf.scatter_nd(rows[:, tf.newaxis], in_z, tf.stack([total, dim_z])), tf.shape(z))
            return (tf.math.unsorted_segment_sum(in_x, image, n), in_z), [None] * len(variables or [])

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
