"""Deep Bayes classifiers: a latent-variable model of p(x, y, z) used as a classifier by Bayes' rule.

Training maximises the lower bound (paper, eq. 1)

    E_q [ log p(x|.) + log p(y|.) + log p(z|.) - log q(z|x, y) ],      z ~ q(z|x, y),

and classification estimates log p(x, y_c) for every class by importance sampling (eq. 2)

    log p(x, y_c) ~ logsumexp_k [ log p(x, z_ck, y_c) - log q(z_ck|x, y_c) ] - log K,      z_ck ~ q(z|x, y_c),

whose softmax over classes is p(y|x). These logits are in nats: margins of tens of nats are normal.

Shapes: x (N, H, W, ch) float32 in [0, 1] or features (N, F); N images, C classes, K samples, Z latent dimensions.
Samples and classes go through the networks in one batch laid out (K, C, N). Noise is an argument everywhere, never
hidden state.
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.factorisation import Factorisation
from deepbayes.models.deep_bayes.likelihood import LIKELIHOODS, log_likelihood
from deepbayes.models.deep_bayes.networks import MLP, ImageDecoder, Tower
from deepbayes.models.deep_bayes.noise import draw_noise
from deepbayes.models.deep_bayes.sparse_gradient import log_likelihood_of_pairs

tfd = tfp.distributions


class DeepBayes(keras.Model):
    """One of the seven classifiers (or a variant), by its factorisation.

    Args:
      factorisation: which conditionals exist and who their parents are.
      architecture: sizes of the networks.
      likelihood: one of LIKELIHOODS; the paper's experiments use "l2".
      samples: K of `call`, 10 in the paper.
      seed: noise seed of `call`.
      log_prior_y: log p(y) where y is a root; None is log 1/C. (2019: log 0.1 whatever C.)

    Raises:
      ValueError: unknown likelihood, or samples < 1.
    """

    def __init__(
        self,
        factorisation: Factorisation,
        architecture: Architecture,
        likelihood: str = "l2",
        samples: int = 10,
        seed: int = 0,
        log_prior_y: float | None = None,
    ):
        super().__init__(name=factorisation.name)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"unknown likelihood {likelihood!r}; known: {', '.join(LIKELIHOODS)}")
        if samples < 1:
            raise ValueError(f"samples (K) must be at least 1, not {samples}")
        self.factorisation, self.architecture = factorisation, architecture
        self.likelihood, self.samples, self.seed = likelihood, samples, seed
        self.log_prior_y = -math.log(architecture.num_classes) if log_prior_y is None else log_prior_y

        a, f = architecture, factorisation
        size = {"x": a.feature_size, "y": a.num_classes, "z": a.dim_z}
        x_hidden = [a.dim_hidden] * (1 if a.is_image else 2)
        self.networks: dict[str, keras.layers.Layer] = {}

        def add(name, layer_class, *args, **kwargs):
            self.networks[name] = layer_class(*args, name=name, **kwargs)
            setattr(self, name, self.networks[name])  # lets Keras track it

        def add_head(name, parents, hidden, outputs):
            if "x" in parents and a.is_image:
                add(f"{name}_tower", Tower, a)
            add(name, MLP, [size[p] for p in parents], [*hidden, outputs])

        add_head("q", "xy", x_hidden, 2 * a.dim_z)
        if f.z:
            add_head("p_z", f.z, x_hidden if f.z == "x" else [a.dim_hidden], 2 * a.dim_z)
        if f.y:
            add_head("p_y", f.y, [a.dim_hidden] * f.y_hidden_layers, a.num_classes)
        if f.x:
            parts = [size[p] for p in f.x]
            if a.is_image:
                add("p_x", ImageDecoder, parts, a)
            else:
                add("p_x", MLP, parts, [*x_hidden, a.input_shape[0]])
        self.built = True

    # ---- the distributions -------------------------------------------------------------------------------------------

    def _head(self, name: str, parents: str, **values):
        """Output of head `name` on its parents' values, in the order that the factorisation lists them."""
        tower = self.networks.get(f"{name}_tower")
        if tower is not None:
            values["x"] = tower(values["x"])
        return self.networks[name]([values[p] for p in parents])

    @staticmethod
    def _normal(parameters):
        mean, log_stddev = tf.split(parameters, 2, axis=-1)
        return tfd.Independent(tfd.Normal(mean, tf.exp(log_stddev)), 1)

    def posterior(self, x, y):
        """q(z|x, y): y is one-hot with shape (N, C), or (C, 1, C) for all classes; event shape (Z,)."""
        return self._normal(self._head("q", "xy", x=x, y=y))

    def decode(self, y, z):
        """Mean of p(x|.) for z (..., N, Z) and one-hot y that broadcasts to it; (..., N, H, W, ch) in (0, 1).

        Raises:
          ValueError: the factorisation has no p(x|.) (DFX, DBX).
        """
        if not self.factorisation.models_x:
            raise ValueError(f"{self.name} takes p(x) from the data and has no decoder")
        return self._head("p_x", self.factorisation.x, y=y, z=z)

    def log_terms(self, x, y, z, drop: float = 0.0) -> dict[str, tf.Tensor | float]:
        """log p(x|.), log p(y|.), log p(z|.) by the letter of the variable, in nats, for z (..., N, Z)."""
        f, a = self.factorisation, self.architecture
        terms = {}
        if f.x:
            if drop and a.is_image:
                terms["x"] = log_likelihood_of_pairs(self.likelihood, self.p_x, x, {"y": y, "z": z}, f.x, drop)
            else:
                terms["x"] = log_likelihood(self.likelihood, x, self.decode(y, z))
        if f.y:
            p_y = tfd.OneHotCategorical(logits=self._head("p_y", f.y, x=x, z=z), dtype=tf.float32)
            terms["y"] = p_y.log_prob(y)
        else:
            terms["y"] = self.log_prior_y
        if f.z:
            p_z = self._normal(self._head("p_z", f.z, x=x, y=y))
        else:
            p_z = tfd.Independent(tfd.Normal(tf.zeros(a.dim_z), tf.ones(a.dim_z)), 1)
        terms["z"] = p_z.log_prob(z)
        return terms

    # ---- bounds ------------------------------------------------------------------------------------------------------

    def log_weights(self, x, y, noise, beta: float = 1.0, z=None, drop: float = 0.0):
        """log p(x, y, z_k) - log q(z_k|x, y), the one-sample bounds, in nats.

        Args:
          x: (N, ...) images or features.
          y: one-hot, (N, C) for given labels or (C, 1, C) for all classes.
          noise: (K, N, Z), with all classes (K, C, N, Z); size-1 axes broadcast; z_k = mean + stddev * noise_k.
          beta: scales the terms that the factorisation calls tempered.
          z: takes the place of mean + stddev * noise.
          drop: share of an image's weight that the gradient in x may leave out (see sparse_gradient.py); what is
            returned does not depend on it. For attacks only: above 0 the decoder's weights get no gradient. Without an
            image decoder (DFX, DBX, feature vectors) it has no effect.

        Returns:
          (K, N), with all classes (K, C, N).
        """
        return sum(self.weight_terms(x, y, noise, beta, z, drop).values())

    def weight_terms(self, x, y, noise, beta: float = 1.0, z=None, drop: float = 0.0) -> dict[str, tf.Tensor | float]:
        """The summands of `log_weights` by letter, q standing for -log q(z|x, y); arguments as there."""
        q = self.posterior(x, y)
        if z is None:
            z = q.distribution.loc + q.distribution.scale * noise
        terms = self.log_terms(x, y, z, drop) | {"q": -q.log_prob(z)}
        return {t: beta * v if t in self.factorisation.tempered else v for t, v in terms.items()}

    def bound(self, x, labels, noise, beta: float = 1.0):
        """Importance-weighted bound on log p(x, y) with K samples, eq. 1 at K = 1: (N,) nats.

        Args:
          labels: (N,) integers.
          noise: (K, N, Z).
        """
        weights = self.log_weights(x, self.one_hot(labels), noise, beta)
        return _log_mean_exp(weights)

    def one_hot(self, labels):
        return tf.one_hot(labels, self.architecture.num_classes)

    # ---- the classifier ----------------------------------------------------------------------------------------------

    def snapshot_logits(self, x, noise, drop: float = 0.0):
        """log p(x, y_c) estimated from each sample alone: (K, N, C) nats. What the detector-aware attack follows."""
        return tf.transpose(self.log_weights(x, self._all_classes(), noise, drop=drop), (0, 2, 1))

    def logits(self, x, noise, drop: float = 0.0):
        """log p(x, y_c), eq. 2: (N, C) nats, with noise (K, C, N, Z) or anything that broadcasts to it.

        `drop`, as in `log_weights`, makes the gradient in x cheaper and leaves the logits as they are.
        """
        return _log_mean_exp(self.snapshot_logits(x, noise, drop))

    def logits_at_mean(self, x):
        """Logits with z at the mean of q(z|x, y_c)."""
        return self.logits(x, tf.zeros((1, 1, 1, self.architecture.dim_z)))

    def logits_at_zero(self, x):
        """Logits with z = 0: what is left of the classifier when the latent carries nothing."""
        a = self.architecture
        z = tf.zeros((1, a.num_classes, tf.shape(x)[0], a.dim_z))
        return tf.transpose(self.log_weights(x, self._all_classes(), None, z=z)[0])

    def draw(self, seed, index, samples: int | None = None):
        """Classifier noise (K, C, N, Z) for the images at positions `index` of their data set."""
        a = self.architecture
        return draw_noise(seed, index, samples or self.samples, a.num_classes, a.dim_z)

    def call(self, x):
        """Logits (N, C) with this classifier's `seed` and `samples`, the images numbered 0 .. N-1: deterministic."""
        return self.logits(x, self.draw(self.seed, tf.range(tf.shape(x)[0])))

    def _all_classes(self):
        return tf.eye(self.architecture.num_classes)[:, tf.newaxis, :]

    def named_weights(self) -> dict[str, keras.Variable]:
        """Every weight under a name that a file can keep: "q_tower/conv_0/kernel"."""
        return {f"{n}/{v.path}": v for n, layer in self.networks.items() for v in layer.weights}

    def leave_out_dead_channels(self, seed: int = 0):
        """Makes the image decoder, if there is one, skip channels that do not fire; see ImageDecoder.

        They are sought on 300 latent samples between half and twice as wide as the prior.
        """
        a, f = self.architecture, self.factorisation
        if not (f.models_x and a.is_image):
            return
        rows = 300
        widths = tf.random.stateless_uniform((rows, 1), (seed, 0), 0.5, 2.0)
        z = widths * tf.random.stateless_normal((rows, a.dim_z), (seed, 1))
        y = self.one_hot(tf.range(rows) % a.num_classes)
        self.p_x.leave_out_dead_channels([{"z": z, "y": y}[p] for p in f.x])

    # ---- pictures ----------------------------------------------------------------------------------------------------

    def reconstruct(self, x, labels):
        """Mean image of p(x|.) at the mean of q(z|x, y): as x. Raises ValueError for DFX, DBX."""
        y = self.one_hot(labels)
        return self.decode(y, self.posterior(x, y).distribution.loc)

    def generate(self, labels, noise):
        """Mean images of p(x|.), z drawn from p(z) or p(z|y) by noise (N, Z): (N, H, W, ch). Not for DFX, DBX."""
        y = self.one_hot(labels)
        z = noise
        if self.factorisation.z:
            p_z = self._normal(self._head("p_z", self.factorisation.z, y=y)).distribution
            z = p_z.loc + p_z.scale * noise
        return self.decode(y, z)


def _log_mean_exp(values):
    """log of the mean of exp over the first axis; logsumexp subtracts the maximum before any exp."""
    return tf.reduce_logsumexp(values, axis=0) - math.log(values.shape[0])
