"""Decoders without the channels that never fire, held to the same decoders with all of them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbayes.data import mnist5k
from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.dead_channels import Trim, any_fires
from deepbayes.models.deep_bayes.networks import ImageDecoder
from deepbayes.models.zoo import load_classifier

SIZES = Architecture((8, 8, 1), 3, dim_z=4, dim_hidden=12, channels=(10, 40, 6))
DEAD = (
    set(range(3, 18)),
    {0, 2, 7, 8},
)  # of the 40 channels of the first transposed convolution and the 10 of the second


def decoder(dead=DEAD) -> ImageDecoder:
    made, rng = ImageDecoder([4], SIZES), np.random.default_rng(0)
    for weights in made.trainable_variables:
        weights.assign(rng.normal(0, 0.3, weights.shape))
    for upsample, channels in zip(made.upsamples, dead, strict=False):
        kernel = upsample.kernel.numpy()
        for channel in channels:
            kernel[:, :, channel] = -np.abs(kernel[:, :, channel])
            kernel[0, 0, channel, 0] = 1e-3
        upsample.kernel.assign(kernel)
    return made


def latents(rows=40, width=1.0):
    return tf.constant(np.random.default_rng(1).normal(0, width, (rows, 4)), tf.float32)


def images_and_gradients(made: ImageDecoder, z):
    """Images; the gradient in z of a sum of their squares, by automatic differentiation and by `backward`."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        images = made([z])
        total = tf.reduce_sum(images**2)
    outputs = made.activations([z])
    return images, tape.gradient(total, z), made.backward(outputs, 2 * outputs[-1])


def assert_same_with_all_channels(made: ImageDecoder, z, run=images_and_gradients):
    trims = made.trims
    kept = run(made, z)
    made.trims = []
    for ours, full in zip(kept, images_and_gradients(made, z), strict=True):
        np.testing.assert_allclose(ours, full, rtol=1e-4, atol=1e-5)
    made.trims = trims


def fires(made: ImageDecoder, z) -> bool:
    outputs = made.activations([z])
    return bool(any_fires(outputs[-len(made.upsamples) : -1], made.trims))


def test_channels_that_never_fire_are_found_and_left_out():
    made = decoder()
    made.leave_out_dead_channels([latents(width=2)])
    for trim, dead, channels in zip(made.trims, DEAD, (40, 10), strict=True):
        assert dead <= set(sum(trim.dead, ()))
        assert sorted((*trim.live, *sum(trim.dead, ()))) == list(range(channels))
    z = latents()
    assert not fires(made, z)
    assert_same_with_all_channels(made, z)
    bounded, by_itself = made.trims
    assert len(bounded.dead) <= 4 < len(bounded.live) < bounded.passed_on
    assert all(len(group) == 1 for group in by_itself.dead)  # ten channels cost as much as six
    shapes = [o.shape[-1] for o in made.activations([z])[-3:]]
    assert shapes == [*(len(t.live) + len(t.dead) for t in made.trims), 1]


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
def test_a_channel_that_comes_to_life_is_noticed_and_computed(layer, compiled):
    made, z = decoder(), latents()
    made.leave_out_dead_channels([latents(width=2)])
    (revived, *_), *_ = made.trims[layer].dead
    kernel = made.upsamples[layer].kernel.numpy()
    kernel[:, :, revived] = np.abs(kernel[:, :, revived])
    before = made([z]).numpy()
    made.upsamples[layer].kernel.assign(kernel)
    assert fires(made, z)
    assert np.abs(made([z]).numpy() - before).max() > 1e-3
    assert_same_with_all_channels(made, z, tf.function(images_and_gradients) if compiled else images_and_gradients)


def test_the_gradient_in_the_weights_is_the_same():
    made, z = decoder(), latents()
    gradients = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(made([z]) ** 2)
        gradients.append(tape.gradient(total, made.trainable_variables))
        made.leave_out_dead_channels([latents(width=2)])
    for full, ours in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, full, rtol=1e-4, atol=1e-4)


def test_a_kernel_that_is_no_number_is_noticed():
    made = decoder()
    made.leave_out_dead_channels([latents(width=2)])
    kernel = made.upsamples[1].kernel.numpy()
    kernel[:, :, made.trims[1].dead[0][0]] = np.nan
    made.upsamples[1].kernel.assign(kernel)
    assert fires(made, latents())
    assert np.isnan(made([latents()]).numpy()).any()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(0.1, 30), st.floats(0.001, 0.5))
def test_images_are_the_same_whatever_the_kernels_and_latents(seed, width, positive):
    """Kernels that are mostly negative, bounds found on narrow latents and used on wide ones."""
    made, rng = decoder(dead=()), np.random.default_rng(seed)
    for upsample in made.upsamples[:-1]:
        sign = np.where(rng.uniform(size=upsample.kernel.shape) < positive, 1, -1)
        kernel = sign * np.abs(rng.normal(0, 0.3, upsample.kernel.shape))
        kernel[:, :, ::3] = np.abs(kernel[:, :, ::3])
        upsample.kernel.assign(kernel)
    made.leave_out_dead_channels([latents(width=0.5)])
    assert_same_with_all_channels(made, tf.constant(rng.normal(0, width, (7, 4)), tf.float32))


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_a_bound_is_at_least_every_channel_that_it_stands_for(seed):
    rng = np.random.default_rng(seed)
    kernel, x = rng.normal(size=(5, 5, 6, 3)), rng.exponential(size=(2, 4, 4, 3))
    trim = Trim((0, 3), ((1, 2), (4, 5)))
    outputs = tf.nn.conv2d_transpose(x, trim.outputs(kernel), (2, 8, 8, 4), 2, "SAME").numpy()
    full = tf.nn.conv2d_transpose(x, kernel, (2, 8, 8, 6), 2, "SAME").numpy()
    np.testing.assert_allclose(outputs[..., :2], full[..., [0, 3]])
    for bound, group in zip((2, 3), trim.dead, strict=True):
        assert (outputs[..., [bound]] >= full[..., list(group)] - 1e-9).all()


def test_a_decoder_whose_channels_all_fire_is_left_as_it_is():
    made = decoder(dead=())
    made.leave_out_dead_channels([latents()])
    assert made.trims == []


@pytest.mark.parametrize("name", ["GFZ", "GFY", "GBZ", "GBY", "DFZ"])
def test_a_trained_decoder_leaves_out_a_quarter_and_never_misses_it(name):
    """Digits, digits under noise and noise alone, all K x C samples."""
    digits = mnist5k.load("test", None).spread(6)
    noise = np.random.default_rng(0).uniform(size=digits.x.shape)
    classifier = load_classifier("mnist", name).model
    trims = classifier.p_x.trims
    assert sum(t.passed_on for t in trims) <= 3 / 4 * 128
    for x in (digits.x, np.clip(digits.x + 0.3 * np.sign(noise - 0.5), 0, 1), noise):
        x = tf.constant(x, tf.float32)
        q = classifier.posterior(x, classifier._all_classes())
        z = q.distribution.loc + q.distribution.scale * classifier.draw(0, digits.index)
        y = tf.broadcast_to(classifier._all_classes(), (*z.shape[:3], 10))
        outputs = classifier.p_x.activations([{"z": z, "y": y}[p] for p in classifier.factorisation.x])
        assert not any_fires(outputs[-3:-1], trims)
        classifier.p_x.trims = []
        full = classifier.logits(x, classifier.draw(0, digits.index)).numpy()
        classifier.p_x.trims = trims
        ours = classifier.logits(x, classifier.draw(0, digits.index)).numpy()
        np.testing.assert_allclose(ours, full, rtol=2e-6, atol=5e-5)


def test_on_a_gpu_all_channels_are_computed(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    assert load_classifier("mnist", "GFZ").model.p_x.trims == []
