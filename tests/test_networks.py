import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.networks import ImageDecoder, SplitDense, Tower, Upsample


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (14, 13), (5, 6)])
@pytest.mark.parametrize("out_channels", [1, 3, 4])
def test_upsampling_by_blocks_equals_the_transposed_convolution(size, out_channels):
    layer = Upsample(size, out_channels, 3)
    layer.kernel.assign(np.random.default_rng(0).normal(size=layer.kernel.shape))
    x = np.random.default_rng(1).normal(size=(2, -(-size[0] // 2), -(-size[1] // 2), 3)).astype(np.float32)
    assert layer.block == (2 if size == (8, 8) and out_channels == 1 else 1)
    library = tf.nn.conv2d_transpose(x, layer.kernel, (2, *size, out_channels), strides=2, padding="SAME")
    np.testing.assert_allclose(layer(x), library, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "out_channels"), [((7, 8), 2), ((8, 8), 1)])
def test_upsampling_by_blocks_has_the_same_gradients(size, out_channels):
    layer = Upsample(size, out_channels, 3)
    layer.kernel.assign(np.random.default_rng(0).normal(size=layer.kernel.shape))
    x = tf.constant(np.random.default_rng(1).normal(size=(2, 4, 4, 3)), tf.float32)
    gradients = []
    block = layer.block
    for layer.block in (block, 0):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x) ** 2)
        gradients.append(tape.gradient(y, [x, layer.kernel.value]))
    for ours, library in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, library, rtol=1e-4, atol=1e-4)


def test_split_dense_is_a_dense_layer_on_the_concatenation():
    layer = SplitDense([3, 2], 4, activation="relu")
    layer.bias.assign(np.arange(4.0))
    a = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    b = np.random.default_rng(1).normal(size=(6, 1, 2)).astype(np.float32)
    joined = np.concatenate([np.broadcast_to(a, (6, 5, 3)), np.broadcast_to(b, (6, 5, 2))], axis=-1)
    expected = np.maximum(joined @ np.array(layer.kernel) + np.arange(4.0), 0)
    np.testing.assert_allclose(layer([a, b]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1), (9, 13, 2)])
def test_decoder_mirrors_the_tower_for_any_image_size(shape):
    sizes = Architecture(shape, 2, dim_z=3, dim_hidden=7, channels=(2, 3, 4))
    x = np.zeros((2, *shape), np.float32)
    assert Tower(sizes)(x).shape == (2, 7)
    images = ImageDecoder([3], sizes)([np.zeros((5, 2, 3), np.float32)])
    assert images.shape == (5, 2, *shape)


def test_initialisers_are_those_of_2019():
    sizes = Architecture((28, 28, 1), 10, dim_z=64, dim_hidden=500, channels=(64, 64, 64))
    tower, decoder = Tower(sizes), ImageDecoder([64], sizes)
    assert isinstance(tower.convolutions[0].kernel_initializer, keras.initializers.GlorotNormal)
    assert isinstance(decoder.mlp.denses[0].kernel_initializer, keras.initializers.GlorotUniform)
    for upsample, out in zip(decoder.upsamples, (64, 64, 1), strict=True):
        kernel = np.abs(np.array(upsample.kernel))
        assert 0.9 / (25 * out) < kernel.max() <= 1 / (25 * out)
