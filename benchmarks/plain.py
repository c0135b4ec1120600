"""The reference that ours is timed against: 2019's classifier as a straightforward port has it.

One class after another in a Python loop, z and y tiled to K * N rows and concatenated, x tiled with them, the library's
convolutions and transposed convolutions, one tape over everything. Same weights and noise as ours, so the same logits.
"""

import math

import tensorflow as tf

from deepbayes.models.deep_bayes.model import DeepBayes


class PlainClassifier:
    """`logits`, `bound` and `variables` of a classifier of images with the l2 likelihood, sharing its weights."""

    def __init__(self, classifier: DeepBayes):
        if classifier.likelihood != "l2" or not classifier.architecture.is_image:
            raise ValueError("the plain reference knows images and the l2 likelihood only")
        self.factorisation, self.sizes = classifier.factorisation, classifier.architecture
        self.log_prior_y = classifier.log_prior_y
        self.weights = classifier.named_weights()
        self.variables = classifier.trainable_variables

    # ---- networks ----------------------------------------------------------------------------------------------------

    def tower(self, name, x):
        if f"{name}_tower/dense/kernel" not in self.weights:
            return None
        for k in range(len(self.sizes.channels)):
            kernel, bias = (self.weights[f"{name}_tower/conv_{k}/{w}"] for w in ("kernel", "bias"))
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME") + bias)
        kernel, bias = (self.weights[f"{name}_tower/dense/{w}"] for w in ("kernel", "bias"))
        return tf.nn.relu(tf.reshape(x, (x.shape[0], -1)) @ kernel + bias)

    def mlp(self, name, parts, last=lambda v: v):
        hidden, k = tf.concat(parts, 1), 0
        while f"{name}/dense_{k}/kernel" in self.weights:
            hidden = hidden @ self.weights[f"{name}/dense_{k}/kernel"] + self.weights[f"{name}/dense_{k}/bias"]
            k += 1
            is_last = f"{name}/dense_{k}/kernel" not in self.weights
            hidden = last(hidden) if is_last else tf.nn.relu(hidden)
        return hidden

    def decode(self, parts):
        smallest, *larger = self.sizes.image_sizes()[::-1]
        hidden = self.mlp("p_x", parts, tf.nn.relu)
        image = tf.reshape(hidden, (-1, *smallest, self.sizes.channels[-1]))
        for k, size in enumerate(larger):
            kernel = self.weights[f"p_x/upsample_{k}/kernel"]
            shape = (image.shape[0], *size, kernel.shape[2])
            image = tf.nn.conv2d_transpose(image, kernel, shape, 2, "SAME")
            image = tf.nn.sigmoid(image) if k == len(larger) - 1 else tf.nn.relu(image)
        return image

    # ---- the bound ---------------------------------------------------------------------------------------------------

    def towers(self, x):
        return {name: self.tower(name, x) for name in ("q", "p_z", "p_y")}

    def log_weights(self, x, features, y, noise):
        """(K, N) nats for one-hot y (N, C) and noise (K, N, Z)."""
        f, (k, n, dim_z) = self.factorisation, noise.shape
        mean, log_stddev = tf.split(self.mlp("q", [features["q"], y]), 2, 1)
        rows = {"y": tf.tile(y, (k, 1))}
        mean, log_stddev = tf.tile(mean, (k, 1)), tf.tile(log_stddev, (k, 1))
        rows["z"] = mean + tf.exp(log_stddev) * tf.reshape(noise, (k * n, dim_z))
        log_q = log_normal(rows["z"], mean, log_stddev)
        log_y, log_x = self.log_prior_y, 0.0
        if f.y:
            parents = [tf.tile(features["p_y"], (k, 1)) if p == "x" else rows[p] for p in f.y]
            log_y = -tf.nn.softmax_cross_entropy_with_logits(rows["y"], self.mlp("p_y", parents))
        if f.z:
            parents = [tf.tile(features["p_z"], (k, 1)) if p == "x" else rows[p] for p in f.z]
            log_z = log_normal(rows["z"], *tf.split(self.mlp("p_z", parents), 2, 1))
        else:
            log_z = log_normal(rows["z"], 0.0, 0.0)
        if f.x:
            decoded = self.decode([rows[p] for p in f.x])
            log_x = -tf.reduce_sum((tf.tile(x, (k, 1, 1, 1)) - decoded) ** 2, (1, 2, 3))
        return tf.reshape(log_x + log_y + log_z - log_q, (k, n))

    def logits(self, x, noise):
        """(N, C) nats, noise (K, C, N, Z)."""
        features, samples, classes = self.towers(x), noise.shape[0], noise.shape[1]
        columns = []
        for c in range(classes):
            y = tf.one_hot(tf.fill((x.shape[0],), c), classes)
            weights = self.log_weights(x, features, y, noise[:, c])
            columns.append(tf.reduce_logsumexp(weights, 0) - math.log(samples))
        return tf.stack(columns, 1)

    def bound(self, x, y, noise):
        """(N,) nats for one-hot y and one sample an image, noise (1, N, Z): what training ascends."""
        return self.log_weights(x, self.towers(x), y, noise)[0]


def log_normal(z, mean, log_stddev):
    """(N,) log density of rows z."""
    terms = -0.5 * math.log(2 * math.pi) - log_stddev - 0.5 * ((z - mean) / tf.exp(log_stddev)) ** 2
    return tf.reduce_sum(terms, 1)
