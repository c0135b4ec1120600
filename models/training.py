"""Training: Adam on the one-sample lower bound (paper, eq. 1), with checkpoints that survive anything.

Everything random is a pure function of the seed and the step: initial weights, the order of images in each epoch, the
noise of each step. A run that was interrupted and resumed therefore takes the same steps as one that was not.
"""

import hashlib
import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.files import FileError, read_arrays, write_arrays

_CHUNK = 100  # steps in one call of the compiled loop: signals are answered between chunks


class TrainingDiverged(RuntimeError):
    """The bound became NaN or infinite; the message names the step and the term."""


@dataclass(frozen=True)
class TrainingSettings:
    """The paper's MNIST settings by default (section 4 and the released code).

    Attributes:
      epsilon: Adam's, 1e-8 as in TensorFlow 1 (Keras's own default is 1e-7).
      samples: K of the training bound. beta: see DeepBayes.log_weights.
      kl_warmup: epochs over which the weight of log p(z|.) - log q(z|x,y) rises linearly from 0 to 1 (Sonderby et al.,
        arXiv 1602.02282); 0, the paper's, is none. For a classifier stuck where z carries nothing.
      initialiser: one of models.initialisers.INITIALISERS, by which the caller drew the initial weights.
      checkpoint_steps: steps between checkpoints, None for one an epoch.
    """

    epochs: int = 100
    batch_size: int = 50
    learning_rate: float = 1e-4
    epsilon: float = 1e-8
    samples: int = 1
    beta: float = 1.0
    seed: int = 0
    kl_warmup: int = 0
    initialiser: str = "2019"
    checkpoint_steps: int | None = None

    def identity(self, data_sha256: str, images: int, name: str, **more) -> str:
        """What must agree for a checkpoint to be continued: all but how long to train and how often to save."""
        fixed = asdict(self) | {"data": data_sha256, "images": images, "name": name} | more
        del fixed["epochs"], fixed["checkpoint_steps"]
        return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
      step: finished steps. seconds: training time, summed over interruptions.
      history: one row an epoch: epoch, bound and its terms (mean nats over the epoch), accuracy (or None), seconds.
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


def make_optimizer(classifier: DeepBayes, settings: TrainingSettings) -> keras.optimizers.Optimizer:
    """Adam with TensorFlow 1's epsilon."""
    optimizer = FusedAdam(settings.learning_rate, epsilon=settings.epsilon)
    optimizer.build(classifier.trainable_variables)
    return optimizer


def adam_step(classifier: DeepBayes, optimizer, x, y, noise, beta: float = 1.0, kl_weight=1.0):
    """One step up the mean bound of (x, one-hot y) with noise (K, N, Z); its terms before the step, by letter.

    `kl_weight` scales log p(z|.) and -log q(z|x, y) in what is ascended, not in the terms that are returned.
    """
    with tf.GradientTape() as tape:
        terms = classifier.weight_terms(x, y, noise, beta)
        loss = -tf.reduce_mean(sum(kl_weight * v if t in "zq" else v for t, v in terms.items()))
    variables = classifier.trainable_variables
    optimizer.apply(tape.gradient(loss, variables), variables)
    return terms


class Trainer:
    """Fits one classifier.

    Args:
      classifier: its weights are overwritten: initial weights are drawn by the caller under `settings.seed`.
      x, y: (N, ...) float32 and (N,) integers, N >= batch_size. An epoch's last partial batch is dropped, as in 2019.
      data_sha256: identity of the data; a checkpoint made on other data is refused.
      checkpoint: file of the run's state.
      validate: called after each epoch with the epoch's number; gives an accuracy, or None to leave it out.

    Raises:
      FileError: `checkpoint` belongs to other settings, or is damaged.
    """

    def __init__(
        self,
        classifier: DeepBayes,
        x,
        y,
        settings: TrainingSettings,
        data_sha256: str,
        checkpoint: Path,
        validate: Callable[[int], float | None] = lambda epoch: None,
    ):
        if len(x) < settings.batch_size:
            raise ValueError(f"{len(x)} training images do not fill one batch of {settings.batch_size}")
        self.classifier, self.settings, self.validate = classifier, settings, validate
        self.checkpoint = checkpoint
        self.images, self.labels = tf.constant(x), tf.constant(y, tf.int32)
        self.steps_per_epoch = len(x) // settings.batch_size
        self.identity = settings.identity(data_sha256, len(x), classifier.factorisation.name, **self.prior)
        self.optimizer = make_optimizer(classifier, settings)
        self.progress = Progress()
        self.stopped_by: int | None = None
        if checkpoint.exists():
            self._restore()

    @property
    def epoch(self) -> int:
        return self.progress.step // self.steps_per_epoch

    @property
    def prior(self) -> dict[str, float]:
        """log p(y) where it is not the uniform one: 2019's log 0.1 with two classes, which the bound then holds."""
        c = self.classifier
        uniform = math.isclose(c.log_prior_y, -math.log(c.architecture.num_classes))
        return {} if uniform else {"log_prior_y": round(c.log_prior_y, 6)}

    @property
    def total_steps(self) -> int:
        return self.settings.epochs * self.steps_per_epoch

    def run(self, on_chunk: Callable[["Trainer"], None] = lambda trainer: None) -> bool:
        """Trains to the last epoch, calling `on_chunk` as it goes; SIGINT and SIGTERM save and end it.

        Returns:
          Whether training is complete; `stopped_by` is the signal otherwise.

        Raises:
          TrainingDiverged: the bound is NaN or infinite. The last checkpoint is kept.
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
        p, per_epoch, every = self.progress, self.steps_per_epoch, self.settings.checkpoint_steps
        start = time.monotonic()
        within = p.step % per_epoch
        count = min(_CHUNK, per_epoch - within)
        if every:
            count = min(count, every - p.step % every)
        batch = self.settings.batch_size
        order = np.random.default_rng([self.settings.seed, self.epoch]).permutation(len(self.labels))
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
        """One Adam step for each row of image positions; the mean of each term before it, (steps,), by letter."""
        s, dim_z = self.settings, self.classifier.architecture.dim_z
        letters = ("x", "y", "z", "q") if self.classifier.factorisation.models_x else ("y", "z", "q")
        means = {t: tf.TensorArray(tf.float32, size=tf.shape(rows)[0]) for t in letters}
        warmup_steps = s.kl_warmup * self.steps_per_epoch
        for i in tf.range(tf.shape(rows)[0]):
            kl_weight = tf.minimum(1.0, tf.cast(first_step + i, tf.float32) / warmup_steps) if warmup_steps else 1.0
            x = tf.gather(self.images, rows[i])
            y = self.classifier.one_hot(tf.gather(self.labels, rows[i]))
            shape = (s.samples, s.batch_size, dim_z)
            noise = tf.random.stateless_normal(shape, tf.stack([s.seed, first_step + i]), alg="philox")
            terms = adam_step(self.classifier, self.optimizer, x, y, noise, s.beta, kl_weight)
            means = {t: means[t].write(i, tf.reduce_mean(terms[t])) for t in letters}
        return {t: means[t].stack() for t in letters}

    def _check_finite(self, terms: dict[str, np.ndarray]) -> None:
        bad = {t: np.flatnonzero(~np.isfinite(v)) for t, v in terms.items()}
        first = min((int(b[0]) for b in bad.values() if b.size), default=None)
        if first is None:
            return
        names = {"x": "log p(x|.)", "y": "log p(y|.)", "z": "log p(z|.)", "q": "log q(z|x,y)"}
        culprits = ", ".join(names[t] for t, b in bad.items() if b.size and b[0] == first)
        raise TrainingDiverged(
            f"{self.classifier.name}: {culprits} is NaN or infinite at step {self.progress.step + first + 1} "
            f"(epoch {self.epoch + 1}); the last checkpoint is kept. Try a smaller --learning-rate, or look at "
            "the images"
        )

    def _end_epoch(self) -> None:
        p = self.progress
        means = {t: total / self.steps_per_epoch for t, total in p.partial.items()}
        row = {"epoch": self.epoch, "bound": sum(means.values())} | {f"bound_{t}": v for t, v in means.items()}
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


_ANOTHER_PLACE = "train into another --output, or delete it to start again"
