"""A deep Bayes model as a `Classifier`: noise by (seed, position of the image), a cheap gradient for attacks."""

import math
from dataclasses import replace

import tensorflow as tf

from deepbayes.models.classifier import LOG_JOINT, POSTERIOR, SAMPLES, Classifier, Cost
from deepbayes.models.deep_bayes.architecture import architecture_for
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.initialisers import INITIALISERS, begin_as_2019
from deepbayes.models.deep_bayes.model import DeepBayes

DROP = 5e-5
"""Share of an image's weight over samples and classes that attack gradients leave out: less than 1e-3 of the
gradient's norm on every golden file and trained classifier."""
TERMS = {"x": "log p(x|.)", "y": "log p(y|.)", "z": "log p(z|.)", "q": "-log q(z|x,y)"}
"""Names of the bound's terms by the letters of `DeepBayes.log_terms`."""
_COPIES = 3  # of every activation: itself, its gradient, the library's scratch


class DeepBayesClassifier(Classifier):
    """One of the seven, or a variant.

    Attributes:
      model: the networks and the bound.
    """

    stochastic = True
    objective = "bound"
    warmed_terms = frozenset({TERMS["z"], TERMS["q"]})
    autograph = False  # seconds of tracing saved

    def __init__(self, model: DeepBayes, name: str = ""):
        sizes = model.architecture
        super().__init__(name or model.factorisation.name, sizes.input_shape, sizes.num_classes)
        self.model = model
        self.settings = {"samples": model.samples, "dim_z": sizes.dim_z, "likelihood": model.likelihood}
        density = [LOG_JOINT] if model.factorisation.models_x else []
        self.signals = frozenset({POSTERIOR, SAMPLES, *density})
        # on a GPU XLA would compile for every number of pairs
        self._drop = DROP if density and sizes.is_image and not _on_gpu() else 0.0

    def logits(self, x, index, seed):
        return self.model.logits(x, self.model.draw(seed, index))

    def sample_logits(self, x, index, seed):
        return self.model.snapshot_logits(x, self.model.draw(seed, index))

    def attack_logits(self, x, index, seed):
        return self.model.logits(x, self.model.draw(seed, index), self._drop)

    def attack_sample_logits(self, x, index, seed):
        return self.model.snapshot_logits(x, self.model.draw(seed, index), self._drop)

    @property
    def gradient_drops(self) -> float:
        return self._drop

    def evaluation_terms(self, x, labels, index, seed):
        """`bound`: the importance-weighted bound on log p(x, y) with K samples, up to the likelihood's constant."""
        noise = tf.transpose(self.model.draw(seed, index), (2, 1, 0, 3))
        own = tf.gather(noise, labels, axis=1, batch_dims=1)  # (N, K, Z): the true class's
        return {"bound": self.model.bound(x, labels, tf.transpose(own, (1, 0, 2)))}

    def training_terms(self, x, y, seed):
        """The terms of the one-sample bound (paper, eq. 1)."""
        shape = (1, x.shape[0], self.model.architecture.dim_z)
        noise = tf.random.stateless_normal(shape, seed, alg="philox")
        terms = self.model.weight_terms(x, self.model.one_hot(y), noise)
        learnt = "xyzq" if self.model.factorisation.models_x else "yzq"
        return {TERMS[letter]: tf.broadcast_to(terms[letter], shape[:2])[0] for letter in learnt}

    @property
    def training_facts(self):
        """log p(y) where it is not the uniform one: 2019's log 0.1 with two classes, which the bound then holds."""
        uniform = math.isclose(self.model.log_prior_y, -math.log(self.classes))
        return {} if uniform else {"log_prior_y": round(self.model.log_prior_y, 6)}

    def named_weights(self):
        return self.model.named_weights()

    @property
    def trainable_variables(self) -> list:
        return self.model.trainable_variables

    def card(self):
        return {"architecture": self.model.architecture.as_json(), "likelihood": self.model.likelihood}

    def ready(self) -> None:
        if not _on_gpu():  # unmeasured there
            self.model.leave_out_dead_channels()

    @property
    def cost(self) -> Cost:
        """K * C decodings an image; without a decoder a hundredth of the time."""
        a = self.model.architecture
        sizes = a.image_sizes() if a.is_image else []
        depths = (a.input_shape[-1], *a.channels)
        maps = sum(math.prod(size) * depth for size, depth in zip(sizes, depths, strict=True)) if sizes else 0
        pairs = self.model.samples * a.num_classes
        one = (maps + 2 * a.dim_hidden) * 4 * _COPIES
        return Cost(pairs * one, float(pairs if self.has_density else 1))


def new_deep_bayes(
    name: str, shape: tuple[int, ...], classes: int, *, dim_z: int | None = None, initialiser: str = "2019", **options
) -> DeepBayesClassifier:
    """An untrained classifier of the paper's sizes for such images.

    Args:
      name: one of FACTORISATIONS.
      dim_z: latent size, where it is not the usual one (the bottleneck study of the paper, A.2).
      initialiser: one of INITIALISERS.
      **options: handed to DeepBayes (samples, likelihood, log_prior_y).

    Raises:
      ValueError: an unknown initialiser or likelihood, dim_z or samples below 1.
    """
    if initialiser not in INITIALISERS:
        raise ValueError(f"unknown initialiser {initialiser!r}; known: {', '.join(INITIALISERS)}")
    if dim_z is not None and dim_z < 1:
        raise ValueError(f"dim_z must be at least 1, not {dim_z}")
    sizes = architecture_for(shape, classes)
    model = DeepBayes(FACTORISATIONS[name], replace(sizes, dim_z=dim_z or sizes.dim_z), **options)
    if initialiser == "2019":
        begin_as_2019(model)
    return DeepBayesClassifier(model)


def _on_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))
