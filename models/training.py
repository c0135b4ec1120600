"""Training: Adam up a classifier's terms, with checkpoints that survive anything.

Everything random is a pure function of the seed and the step: initial weights, the order of images in each epoch, the
noise of each step. A run that was interrupted and resumed therefore takes the same steps as one that was not.
"""

import hashlib
import json
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from deepbayes.models.classifier import Classifier
from deepbayes.models.files import FileError, read_arrays, write_arrays
from deepbayes.models.recipes import Recipe

_CHUNK = 100  # steps in one call of the compiled loop: signals are answered between chunks


class TrainingDiverged(RuntimeError):
    """What training ascends became NaN or infinite; the message names the step and the term."""


@dataclass(frozen=True)
class TrainingData:
    """Images x (N, ...) float32 and labels y (N,) integers, and the sha256 that a checkpoint remembers them by."""

    x: np.ndarray
    y: np.ndarray
    sha256: str


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
      step: finished steps. seconds: training time, summed over interruptions.
      history: one row an epoch: epoch, objective and its terms (mean nats over the epoch), accuracy (or None), seconds.
      partial: sums of the terms over the running epoch's steps.
    """

    step: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)
    partial: dict[str, float] = field(default_factory=dict)


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam by the one kernel that TensorFlow has for it: the same numbers in a third of the time.

    Both are TensorFlow 1's: epsilon is added to sqrt(v) after the bias correction of the step size.
    """

    def update_step(self, gradient, variable, learning_rate):
        k, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[k].value.handle, v=self._velocities[k].value.handle, grad=gradient,
            beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon, lr=tf.cast(learning_rate, tf.float32),
            beta1_power=tf.pow(self.beta_1, step), beta2_power=tf.pow(self.beta_2, step),
        )  # fmt: skip


def make_optimizer(variables: list, recipe: Recipe) -> keras.optimizers.Optimizer:
    """Adam for these variables."""
    optimizer = FusedAdam(recipe.learning_rate, epsilon=recipe.epsilon)
    optimizer.build(variables)
    return optimizer


def adam_step(terms_of: Callable[[], dict], variables: list, optimizer, warmed=frozenset(), weight=1.0) -> dict:
    """One step up the mean of the summed terms; the terms before the step, by name.

    Args:
      terms_of: gives the terms, differentiable in the variables.
      warmed: names of terms that `weight` scales in what is ascended, not in what is returned.
    """
    with tf.GradientTape() as tape:
        terms = terms_of()
        loss = -tf.reduce_mean(sum(weight * v if t in warmed else v for t, v in terms.items()))
    optimizer.apply(tape.gradient(loss, variables), variables)
    return terms


class Trainer:
    """Fits one classifier.

    Args:
      classifier: its weights are overwritten: initial weights are drawn by the caller under `seed`.
      data: at least `recipe.batch_size` images. An epoch's last partial batch is dropped, as in 2019.
      checkpoint: file of the run's state; one made on other data or with other settings is refused.
      checkpoint_steps: steps between checkpoints, None for one an epoch.
      validate: called after each epoch with the epoch's number; gives an accuracy, or None to leave it out.

    Raises:
      FileError: `checkpoint` belongs to other settings, or is damaged.
    """

    def __init__(
        self,
        classifier: Classifier,
        data: TrainingData,
        recipe: Recipe,
        seed: int,
        checkpoint: Path,
        checkpoint_steps: int | None = None,
        validate: Callable[[int], float | None] = lambda epoch: None,
    ):
        if len(data.x) < recipe.batch_size:
            raise ValueError(f"{len(data.x)} training images do not fill one batch of {recipe.batch_size}")
        self.classifier, self.recipe, self.seed, self.validate = classifier, recipe, seed, validate
        self.checkpoint, self.checkpoint_steps = checkpoint, checkpoint_steps
        self.images, self.labels = tf.constant(data.x), tf.constant(data.y, tf.int32)
        self.steps_per_epoch = len(data.x) // recipe.batch_size
        self.identity = _identity(classifier, data, recipe, seed)
        self.optimizer = make_optimizer(classifier.trainable_variables, recipe)
        self.progress = Progress()
        self.stopped_by: int | None = None
        if checkpoint.exists():
            self._restore()

    @property
    def epoch(self) -> int:
        return self.progress.step // self.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    def run(self, on_chunk: Callable[["Trainer"], None] = lambda trainer: None) -> bool:
        """Trains to the last epoch, calling `on_chunk` as it goes; SIGINT and SIGTERM save and end it.

        Returns:
          Whether training is complete; `stopped_by` is the signal otherwise.

        Raises:
          TrainingDiverged: a term is NaN or infinite. The last checkpoint is kept.
        """
        previous = {s: signal.signal(s, self._stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self.progress.step < self.total_steps and self.stopped_by is None:
                self._chunk()
                on_chunk(self)
            if self.stopped_by is not None:
                self.save()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self.progress.step >= self.total_steps

    def _stop(self, number, frame):
        self.stopped_by = number

    # ---- steps -------------------------------------------------------------------------------------------------------

    def _chunk(self) -> None:
        p, per_epoch, every = self.progress, self.steps_per_epoch, self.checkpoint_steps
        start = time.monotonic()
        within = p.step % per_epoch
        count = min(_CHUNK, per_epoch - within)
        if every:
            count = min(count, every - p.step % every)
        batch = self.recipe.batch_size
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.labels))
        rows = order[within * batch : (within + count) * batch].reshape(count, batch)
        terms = {t: v.numpy() for t, v in self._steps(tf.constant(rows, tf.int32), tf.constant(p.step)).items()}
        self._check_finite(terms)
        for term, values in terms.items():
            p.partial[term] = p.partial.get(term, 0.0) + float(values.sum(dtype=np.float64))
        p.step += count
        p.seconds += time.monotonic() - start
        epoch_ends = p.step % per_epoch == 0
        if epoch_ends:
            self._end_epoch()
        if epoch_ends or (every and p.step % every == 0):
            self.save()

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((), tf.int32)])
    def _steps(self, rows, first_step):
        """One Adam step for each row of image positions; the mean of each term before it, (steps,), by name."""
        c, warmup_steps = self.classifier, self.recipe.kl_warmup * self.steps_per_epoch
        means = {t: tf.TensorArray(tf.float32, size=tf.shape(rows)[0]) for t in self._terms}
        for i in tf.range(tf.shape(rows)[0]):
            weight = tf.minimum(1.0, tf.cast(first_step + i, tf.float32) / warmup_steps) if warmup_steps else 1.0
            x, y = tf.gather(self.images, rows[i]), tf.gather(self.labels, rows[i])
            x = tf.ensure_shape(x, (self.recipe.batch_size, *self.images.shape[1:]))
            seed = tf.stack([self.seed, first_step + i])
            terms = adam_step(
                lambda x=x, y=y, seed=seed: c.training_terms(x, y, seed),
                c.trainable_variables, self.optimizer, c.warmed_terms, weight,
            )  # fmt: skip
            means = {t: means[t].write(i, tf.reduce_mean(terms[t])) for t in self._terms}
        return {t: means[t].stack() for t in self._terms}

    @cached_property
    def _terms(self) -> list[str]:
        """The names of the terms."""
        batch = self.recipe.batch_size
        return list(self.classifier.training_terms(self.images[:batch], self.labels[:batch], tf.constant([0, 0])))

    def _check_finite(self, terms: dict[str, np.ndarray]) -> None:
        bad = {t: np.flatnonzero(~np.isfinite(v)) for t, v in terms.items()}
        first = min((int(b[0]) for b in bad.values() if b.size), default=None)
        if first is None:
            return
        culprits = ", ".join(t for t, b in bad.items() if b.size and b[0] == first)
        raise TrainingDiverged(
            f"{self.classifier.name}: {culprits} is NaN or infinite at step {self.progress.step + first + 1} "
            f"(epoch {self.epoch + 1}); the last checkpoint is kept. Try a smaller --learning-rate, or look at "
            "the images"
        )

    def _end_epoch(self) -> None:
        p = self.progress
        means = {t: total / self.steps_per_epoch for t, total in p.partial.items()}
        row = {"epoch": self.epoch, self.classifier.objective: sum(means.values())} | means
        row["accuracy"] = self.validate(self.epoch)
        row["seconds"] = p.seconds
        p.history.append(row)
        p.partial = {}

    # ---- checkpoints -------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, keras.Variable]:
        weights = {f"weights/{n}": v for n, v in self.classifier.named_weights().items()}
        return weights | {f"optimizer/{k}": v for k, v in enumerate(self.optimizer.variables)}

    def save(self) -> None:
        arrays = {n: np.array(v) for n, v in self._state().items()}
        meta = json.dumps({"identity": self.identity, "progress": asdict(self.progress)})
        write_arrays(self.checkpoint, arrays | {"meta": np.array(meta)}, compressed=False)

    def _restore(self) -> None:
        arrays = read_arrays(self.checkpoint)
        state = self._state()
        if arrays.keys() != state.keys() | {"meta"}:
            raise FileError(f"{self.checkpoint} holds other variables; {_ANOTHER_PLACE}")
        meta = json.loads(str(arrays["meta"]))
        if meta["identity"] != self.identity:
            raise FileError(f"{self.checkpoint} was made with other settings, data or seed; {_ANOTHER_PLACE}")
        for name, variable in state.items():
            variable.assign(arrays[name])
        self.progress = Progress(**meta["progress"])


def _identity(classifier: Classifier, data: TrainingData, recipe: Recipe, seed: int) -> str:
    """What must agree for a checkpoint to be continued: all but how long to train and how often to save."""
    fixed = recipe.settings() | classifier.training_facts
    fixed |= {"seed": seed, "data": data.sha256, "images": len(data.x), "name": classifier.name}
    del fixed["epochs"]
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


_ANOTHER_PLACE = "train into another --output, or delete it to start again"
