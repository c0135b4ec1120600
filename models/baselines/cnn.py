"""A plain convolutional classifier: the baseline beside the seven, and the net of surrogate models.

The paper does not give the layers of its students. These are two 5x5 stride-2 convolutions (32 and 64 channels), a
dense layer of 200, relu after each, and linear logits: about 0.7 million weights at MNIST's size.
"""

import keras
import numpy as np
import tensorflow as tf

from deepbayes.models.baselines.keras_model import KerasClassifier

CHANNELS, HIDDEN = (32, 64), 200


def new_cnn(shape, classes: int, seed: int | None = None) -> keras.Model:
    """An untrained net: images (N, *shape) in [0, 1] -> logits (N, classes).

    Args:
      seed: of its weights; None goes on with Keras's global seed.
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    layers = [keras.layers.Conv2D(c, 5, strides=2, padding="same", activation="relu") for c in CHANNELS]
    layers += [keras.layers.Flatten(), keras.layers.Dense(HIDDEN, activation="relu"), keras.layers.Dense(classes)]
    net = keras.Sequential([keras.Input(shape), *layers])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(1e-3), loss)
    return net


class CnnClassifier(KerasClassifier):
    """The baseline: trained on labels."""

    def training_terms(self, x, y, seed):
        """log p(y|x)."""
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=self.model(x, training=True))
        return {"log p(y|x)": -loss}

    def named_weights(self):
        layers = [layer for layer in self.model.layers if layer.weights]
        return {f"layer_{k}/{v.name}": v for k, layer in enumerate(layers) for v in layer.weights}


def new_cnn_classifier(name: str, shape: tuple[int, ...], classes: int) -> CnnClassifier:
    """The untrained baseline."""
    return CnnClassifier(new_cnn(shape, classes), name, classes)


def fit(
    net: keras.Model, x, probabilities, epochs: int, batch_size: int = 100, seed: int = 0, after_epoch=None
) -> None:
    """Trains on cross-entropy against `probabilities` (N, C), one-hot labels or a teacher's, in a seeded order.

    Args:
      after_epoch: called after each.
    """
    keras.utils.set_random_seed(seed)
    heard = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: after_epoch and after_epoch())
    net.fit(x, np.asarray(probabilities, np.float32), batch_size, epochs, verbose=0, callbacks=[heard])
