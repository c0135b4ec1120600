"""The contract of everything that is attacked, guards, teaches a surrogate model or is trained.

Shapes: x (N, H, W, ch) float32 in [0, 1]; index (N,) int32, the positions of the images in their data set; seed an
int32 scalar. N images, C classes, K samples. Whatever is random is a pure function of (seed, position of the image):
results depend neither on the batch nor on the order. Logits are log-probabilities up to a constant an image, in nats;
never probabilities.

A family of classifiers is one module with a subclass of `Classifier`, and one `ClassifierSpec` (models/registry.py).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOG_JOINT, POSTERIOR, SAMPLES = "log_joint", "posterior", "samples"
"""Signals: logits are log p(x, y_c) itself, so that their logsumexp is log p(x); p(y|x); the logits of each sample."""


@dataclass(frozen=True)
class Cost:
    """The cost of one evaluation of an image.

    Attributes:
      bytes: memory of the activations and their gradient.
      time: as a multiple of a plain CNN's time.
    """

    bytes: int
    time: float = 1.0


class Classifier(ABC):
    """What is attacked, guards, teaches a surrogate model or is trained: a map from images to logits.

    Attributes:
      name: the name in tables and paths.
      shape: of the images, (H, W, ch).
      classes: the number of classes C.
      settings: what identifies the classifier in a result: the sha256 of its weights, and its options.
      trained_on: data set and part, such as "mnist5k/train"; "" where it is not known.
      weights: the weight file; None where there is none of this project's.
      stochastic: whether another seed gives other logits.
      signals: what a detector may read: "log_joint", "posterior", "samples".
      objective: what training ascends, in words for histories and plots.
      warmed_terms: the training terms whose weight a warm-up raises from 0 to 1.
      autograph: whether functions have Python loops or branches that TensorFlow must convert to its own.
    """

    stochastic = False
    signals = frozenset({POSTERIOR})
    objective = "log-likelihood"
    warmed_terms: frozenset[str] = frozenset()
    autograph = True

    def __init__(self, name: str, shape: tuple[int, ...], classes: int):
        self.name, self.shape, self.classes = name, tuple(shape), classes
        self.settings: dict[str, Any] = {}
        self.trained_on = ""
        self.weights: Path | None = None
        self._graphs: dict[str, Callable] = {}

    @abstractmethod
    def logits(self, x, index, seed):
        """Logits of x (N, H, W, ch) under the noise of (seed, index): (N, C), in nats."""

    def sample_logits(self, x, index, seed):
        """Logits of each of K samples alone: (K, N, C), in nats. Only with the signal SAMPLES."""
        raise NotImplementedError(f"{self.name} has no samples")

    def attack_logits(self, x, index, seed):
        """The values of `logits`, with a gradient in x that may be cheaper."""
        return self.logits(x, index, seed)

    def attack_sample_logits(self, x, index, seed):
        """The values of `sample_logits`, with a gradient in x that may be cheaper."""
        return self.sample_logits(x, index, seed)

    @property
    def gradient_drops(self) -> float:
        """Share of an image's weight that the gradient of `attack_logits` leaves out; 0 where it is the full one."""
        return 0.0

    def evaluation_terms(self, x, labels, index, seed) -> Mapping[str, Any]:
        """Further (N,) quantities that clean results report by name, in nats."""
        return {}

    def training_terms(self, x, y, seed) -> Mapping[str, Any]:
        """What training ascends, as (N,) summands by name, in nats; y (N,) int32, seed (2,) int32."""
        raise NotImplementedError(f"{self.name} cannot be trained")

    @property
    def training_facts(self) -> dict[str, Any]:
        """What else a checkpoint and a card of training depend on, beside the recipe."""
        return {}

    def named_weights(self) -> dict[str, Any]:
        """Every weight (a Keras variable) under a name that a file can keep."""
        return {}

    @property
    def trainable_variables(self) -> list:
        return [v for v in self.named_weights().values() if v.trainable]

    @property
    def parameters(self) -> int:
        return sum(math.prod(v.shape) for v in self.named_weights().values())

    def card(self) -> dict[str, Any]:
        """What a weight file's card says of the classifier itself, its `architecture` among it."""
        return {"architecture": {"input_shape": list(self.shape), "num_classes": self.classes}}

    def ready(self) -> None:  # noqa: B027 (most have nothing to make ready)
        """Called once when trained weights have been loaded."""

    @property
    def cost(self) -> Cost:
        return Cost(bytes=0)

    def graph_of(self, function: str) -> Callable:
        """One of its functions of tensors, traced once for each shape of a batch, whoever calls it."""
        import tensorflow as tf

        if function not in self._graphs:
            self._graphs[function] = tf.function(getattr(self, function), autograph=self.autograph)
        return self._graphs[function]

    @property
    def has_density(self) -> bool:
        """Whether its logits hold log p(x)."""
        return LOG_JOINT in self.signals

    @property
    def has_samples(self) -> bool:
        return SAMPLES in self.signals
