"""The parts that all classifiers share: convolutional features, MLP heads, image decoder (paper, appendix D).

Leading axes of any number are welcome in heads and decoder: the classifier lays out (K, C, N) samples, classes and
images. Initialisers are 2019's: glorot_normal in towers, glorot_uniform in heads, uniform(+-1/(25 * out channels)) in
the transposed convolutions.
"""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops

from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.dead_channels import Trim, any_fires, find_trims, trimmed_kernels

_KERNEL = 5


class SplitDense(keras.layers.Dense):
    """Dense layer on the concatenation [a, b, ...] of inputs that broadcast against each other, never forming it.

    The features of N images meet K * C * N latent samples in a head: multiplying each part by its own rows of the
    kernel and adding the broadcast results is the same sum, and the features' product is computed N times instead of K
    * C * N.
    """

    def __init__(self, sizes: Sequence[int], units: int, **kwargs):
        super().__init__(units, **kwargs)
        self.sizes = tuple(sizes)
        self.build((None, sum(sizes)))
        self.input_spec = None  # Dense admits one input, this layer a list

    def call(self, parts):
        total = self.bias
        row = 0
        for part, size in zip(parts, self.sizes, strict=True):
            total = total + ops.matmul(part, self.kernel[row : row + size])
            row += size
        return self.activation(total)


class MLP(keras.layers.Layer):
    """Dense layers with relu between them on a list of parts; linear (or `last_activation`) at the end."""

    def __init__(self, sizes: Sequence[int], units: Sequence[int], last_activation=None, **kwargs):
        super().__init__(**kwargs)
        activations = ["relu"] * (len(units) - 1) + [last_activation]
        inputs = [tuple(sizes)] + [(u,) for u in units[:-1]]
        self.denses = [
            SplitDense(i, u, activation=a, name=f"dense_{k}")
            for k, (i, u, a) in enumerate(zip(inputs, units, activations, strict=True))
        ]
        self.built = True

    def call(self, parts):
        return self.activations(parts)[-1]

    def activations(self, parts) -> list:
        """The outputs of all layers."""
        outputs = [self.denses[0](parts)]
        for dense in self.denses[1:]:
            outputs.append(dense([outputs[-1]]))
        return outputs

    def backward(self, outputs: list, gradient):
        """From the gradient in the last of `outputs` to that in the first part, rows (R, ...) throughout."""
        for dense, output in zip(self.denses[::-1], outputs[::-1], strict=True):
            gradient = before_activation(dense.activation, output, gradient) @ tf.transpose(dense.kernel)
        return gradient[:, : self.denses[0].sizes[0]]


class Tower(keras.layers.Layer):
    """x: (N, H, W, ch) -> features (N, dim_hidden): 5x5 stride-2 convolutions and a dense layer, relu after each."""

    def __init__(self, architecture: Architecture, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = []
        depth = architecture.input_shape[-1]
        for k, channels in enumerate(architecture.channels):
            layer = keras.layers.Conv2D(
                channels, _KERNEL, strides=2, padding="same", activation="relu",
                kernel_initializer="glorot_normal", name=f"conv_{k}",
            )  # fmt: skip
            layer.build((None, None, None, depth))
            self.convolutions.append(layer)
            depth = channels
        height, width = architecture.image_sizes()[-1]
        self.dense = keras.layers.Dense(
            architecture.dim_hidden, activation="relu", kernel_initializer="glorot_normal", name="dense"
        )
        self.dense.build((None, height * width * depth))
        self.built = True

    def call(self, x):
        for convolution in self.convolutions:
            x = convolution(x)
        return self.dense(tf.reshape(x, (-1, self.dense.kernel.shape[0])))


class Upsample(keras.layers.Conv2DTranspose):
    """5x5 stride-2 transposed convolution without bias; kernel (h, w, out, in), output cut to `size` as TF's SAME does.

    With few output channels the library's routine is bound by memory traffic. The same weights rearranged into one
    ordinary convolution that turns each block of inputs into the 2x2 times larger block of outputs, followed by
    depth_to_space, give the same numbers three to five times as fast on a CPU; with many output channels the
    rearrangement's zeros cost more than they save.
    """

    def __init__(self, size: tuple[int, int], out_channels: int, in_channels: int, activation=None, **kwargs):
        bound = 1.0 / (_KERNEL * _KERNEL * out_channels)
        super().__init__(
            out_channels, _KERNEL, strides=2, padding="same", use_bias=False, activation=activation,
            kernel_initializer=keras.initializers.RandomUniform(-bound, bound), **kwargs,
        )  # fmt: skip
        self.size = tuple(size)
        # Two by two inputs make 16 outputs of one channel, as many numbers as a vector register holds; with more
        # channels the added zeros cost more than they save.
        doubles = all(side % 4 == 0 for side in self.size)
        self.block = 0 if out_channels > 4 else 2 if doubles and out_channels == 1 else 1
        self.build((None, None, None, in_channels))

    def call(self, x):
        return self.upsample(x, self.kernel)

    def upsample(self, x, kernel):
        """With a kernel in place of the layer's own, of other numbers of channels perhaps."""
        return self.activation(self.transposed(x, kernel))

    def transposed(self, x, kernel):
        """The same before the activation."""
        if self.block:
            wide = tf.nn.conv2d(x, self._block_kernel(kernel), strides=self.block, padding="SAME")
            return tf.nn.depth_to_space(wide, 2 * self.block)[:, : self.size[0], : self.size[1]]
        shape = (tf.shape(x)[0], *self.size, kernel.shape[2])
        return tf.nn.conv2d_transpose(x, kernel, shape, strides=2, padding="SAME")

    def backward(self, output, gradient, kernel):
        """From the gradient in the output, or in its first channels, to that in the input.

        It is the convolution that this layer is the transpose of.
        """
        channels = gradient.shape[-1]
        gradient = before_activation(self.activation, output[..., :channels], gradient)
        return tf.nn.conv2d(gradient, kernel[:, :, :channels], strides=2, padding="SAME")

    def _block_kernel(self, kernel):
        """(b + 2, b + 2, in, 2b * 2b * out): what each output of a block takes from the block and its neighbours.

        Output o = 2bj + p of block j takes input i = bj + s through tap o + pad - 2i = p + pad - 2s, with pad = 1 where
        SAME pads an even size and 2 where it pads an odd one; taps outside 0..4 are zero.
        """
        side, reach = 2 * self.block, self.block + 2
        flipped = tf.transpose(kernel, (0, 1, 3, 2))  # (h, w, in, out)
        for axis, length in enumerate(self.size):
            pad = 1 + length % 2
            taps = [p + pad - 2 * s for p in range(side) for s in range(-1, reach - 1)]
            flat = [tap if 0 <= tap < _KERNEL else _KERNEL for tap in taps]
            padding = [[0, 0]] * 4
            padding[axis] = [0, 1]  # index 5 reads zeros
            flipped = tf.gather(tf.pad(flipped, padding), flat, axis=axis)
        channels = tuple(flipped.shape[2:])
        blocks = tf.reshape(flipped, (side, reach, side, reach, *channels))
        wide = (reach, reach, channels[0], side * side * channels[1])
        return tf.reshape(tf.transpose(blocks, (1, 3, 4, 0, 2, 5)), wide)


class ImageDecoder(keras.layers.Layer):
    """[z, y] -> mean image in (0, 1): two relu dense layers, then transposed convolutions that mirror the tower."""

    def __init__(self, sizes: Sequence[int], architecture: Architecture, **kwargs):
        super().__init__(**kwargs)
        smallest, *larger = architecture.image_sizes()[::-1]
        depths = [*architecture.channels[::-1], architecture.input_shape[-1]]
        self.smallest = (*smallest, depths[0])
        self.image_shape = tuple(architecture.input_shape)
        units = (architecture.dim_hidden, smallest[0] * smallest[1] * depths[0])
        self.mlp = MLP(sizes, units, last_activation="relu", name="mlp")
        self.upsamples = []
        for k, size in enumerate(larger):
            last = k == len(larger) - 1
            self.upsamples.append(
                Upsample(size, depths[k + 1], depths[k], "sigmoid" if last else "relu", name=f"upsample_{k}")
            )
        self.trims: list[Trim] = []
        self.built = True

    def leave_out_dead_channels(self, parts):
        """Computes from now on only the channels that fire on such parts, and all where a batch turns out to need them.

        The images stay the same but for the rounding of float32, whatever the weights become; see
        models/deep_bayes/dead_channels.py.
        """
        trims = find_trims(self.upsamples, tf.reshape(self.mlp(parts), (-1, *self.smallest)))
        self.trims = trims if any(t.dead for t in trims) else []

    def call(self, parts):
        hidden = self.mlp(parts)
        return tf.reshape(self._images(hidden)[-1], tf.concat([tf.shape(hidden)[:-1], self.image_shape], 0))

    def activations(self, parts) -> list:
        """The outputs of all layers, their leading axes joined to one of rows; the last are the images."""
        hidden = self.mlp.activations(parts)
        return [tf.reshape(h, (-1, h.shape[-1])) for h in hidden] + self._images(hidden[-1])

    def _images(self, hidden) -> list:
        """The outputs of the transposed convolutions, each (R, height, width, channels), trimmed but for the images."""
        outputs = self._upsampled(hidden, self._kernels())
        if self.trims:
            images, needed = outputs[-1], any_fires(outputs[:-1], self.trims)
            outputs[-1] = tf.cond(needed, lambda: self._upsampled(hidden, self._all_kernels())[-1], lambda: images)
        return outputs

    def _upsampled(self, hidden, kernels) -> list:
        outputs, image = [], tf.reshape(hidden, (-1, *self.smallest))
        for upsample, kernel in zip(self.upsamples, kernels, strict=True):
            outputs.append(upsample.upsample(image[..., : kernel.shape[3]], kernel))
            image = outputs[-1]
        return outputs

    def _kernels(self) -> list:
        return trimmed_kernels(self.upsamples, self.trims) if self.trims else self._all_kernels()

    def _all_kernels(self) -> list:
        return [upsample.kernel.value for upsample in self.upsamples]

    def backward(self, outputs: list, gradient):
        """From the gradient in the images (R, H, W, ch) to that in the first part (R, Z), given rows of `activations`.

        What automatic differentiation does, for as many of the rows as are worth it.
        """
        depth = len(self.upsamples)
        dense, images = outputs[:-depth], outputs[-depth:]

        def to_dense(images, kernels):
            in_images = gradient
            for upsample, output, kernel in zip(self.upsamples[::-1], images[::-1], kernels[::-1], strict=True):
                in_images = upsample.backward(output, in_images, kernel)
            return tf.reshape(in_images, (-1, math.prod(self.smallest)))

        def through_all():
            kernels = self._all_kernels()
            return to_dense(self._upsampled(dense[-1], kernels), kernels)

        def through_kept():
            return to_dense(images, self._kernels())

        if self.trims:
            in_dense = tf.cond(any_fires(images[:-1], self.trims), through_all, through_kept)
        else:
            in_dense = through_kept()
        return self.mlp.backward(dense, in_dense)


def before_activation(activation, output, gradient):
    """The gradient before relu, sigmoid or no activation from that after it, by what it put out."""
    if activation is keras.activations.relu:
        return tf.raw_ops.ReluGrad(gradients=gradient, features=output)
    if activation is keras.activations.sigmoid:
        return tf.raw_ops.SigmoidGrad(y=output, dy=gradient)
    if activation is keras.activations.linear:
        return gradient
    raise ValueError(f"no backward pass for the activation {activation}")
