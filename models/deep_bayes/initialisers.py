"""How the kernels of the fully connected layers begin.

    2019         every layer outside the towers is the same sequence u_1, u_2, ... of uniform numbers in [0, 1), filled
                 row by row and scaled: kernel[i, j] = b (2 u_(i * out + j) - 1), b = sqrt(6 / (in + out))
    independent  every layer draws numbers of its own from the same distribution (glorot_uniform)

The released code draws each of these layers by `tf.random_uniform(..., seed=123)` under graph seed 0. In TensorFlow 1
every such operation restarts the same stream. Two layers of one shape therefore begin equal: q(z|x,y) and p(z|.) share
their last layer, so that the KL term begins near 0. Convolutions and transposed convolutions are independent draws in
both cases.
"""

import math

import tensorflow as tf

INITIALISERS = ("2019", "independent")
_GRAPH_SEED, _OPERATION_SEED = 0, 123


def kernel_of_2019(inputs: int, outputs: int) -> tf.Tensor:
    """The (inputs, outputs) float32 kernel with which the 2019 code begins every layer of this shape."""
    key, counter = (tf.constant(v, tf.uint64) for v in ([_GRAPH_SEED], [0, _OPERATION_SEED]))
    uniform = tf.raw_ops.StatelessRandomUniformV2(shape=(inputs, outputs), key=key, counter=counter, alg=_PHILOX)
    bound = math.sqrt(6 / (inputs + outputs))
    return uniform * (2 * bound) - bound


_PHILOX = 1


def begin_as_2019(classifier) -> None:
    """Overwrites the kernels of all fully connected layers outside the towers of a DeepBayes classifier."""
    for network in classifier.networks.values():
        mlp = getattr(network, "mlp", network)  # an image decoder's dense layers, or the head itself
        for dense in getattr(mlp, "denses", ()):
            dense.kernel.assign(kernel_of_2019(*dense.kernel.shape))
