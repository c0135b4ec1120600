"""Standard-normal noise for z, a pure function of (seed, image index, sample, class, dimension).

Because each image brings its own index, a result does not depend on batch size, order, sharding or resumption.
"""

import tensorflow as tf


def draw_noise(seed, index, samples: int, classes: int, dim_z: int):
    """(K, C, N, Z) float32 noise for the images at positions `index` of their data set.

    Args:
      seed: int or scalar tensor; another seed is a fresh draw.
      index: (N,) int positions.
      samples: K. Raising K keeps the earlier samples: each image's stream is laid out sample by sample.
      classes: C for the classifier's logits (its own noise for each class); 1 for a bound at given labels.
      dim_z: Z.
    """
    seed = tf.cast(seed, tf.int32)

    def one_image(i):
        return tf.random.stateless_normal((samples, classes, dim_z), tf.stack([seed, i]), alg="philox")

    per_image = tf.map_fn(one_image, tf.cast(index, tf.int32), fn_output_signature=tf.float32)
    return tf.transpose(per_image, (1, 2, 0, 3))
