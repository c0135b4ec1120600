"""What is timed: ours, as the command line runs it, against the plain reference, on the same weights and noise."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from deepbayes.attacks.losses import log_odds
from deepbayes.attacks.registry import ATTACKS
from deepbayes.attacks.target import Target
from deepbayes.attacks.white_box import cw, fgsm
from deepbayes.benchmarks.plain import PlainClassifier
from deepbayes.benchmarks.plain_torch import TorchProcess
from deepbayes.benchmarks.timing import Case
from deepbayes.detect import statistics as detect_statistics
from deepbayes.detect.registry import DETECTORS
from deepbayes.models.deep_bayes.classifier import DROP
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.recipes import Recipe
from deepbayes.models.training import adam_step, make_optimizer

EPS = (0.1, 0.2, 0.3, 0.4, 0.5)
STEPS = 20
"""Of training and CW in one call. CW's loop is ours for both; of training the plain port's steps are called singly."""
LOGITS, GRADIENT = "logits", "attack gradient, clean images"
TRAINING = "training step, batch of 50"


class Bench:
    """One classifier with a batch of images, and its cases. `torch`: the same in PyTorch, on the same batch."""

    def __init__(self, classifier: DeepBayes, x, y, torch: TorchProcess | None = None):
        self.classifier, self.plain = classifier, PlainClassifier(classifier)
        self.x, self.y = tf.constant(x), tf.constant(y, tf.int32)
        self.index = tf.range(len(x))
        self.noise = classifier.draw(0, self.index)
        self.torch = torch
        self.our_logits = tf.function(classifier.logits)
        self.plain_logits = tf.function(self.plain.logits)
        self.our_gradient = gradient_of(lambda v, noise: classifier.logits(v, noise, DROP))
        self.plain_gradient = gradient_of(self.plain.logits)

    def cases(self) -> Iterator[Case]:
        n = len(self.y)
        gradient = self.plain_gradient(self.x, self.y, self.noise)
        adversarial = tf.clip_by_value(self.x + 0.2 * tf.sign(gradient), 0.0, 1.0)
        yield Case(LOGITS, "image", self._logits(), n)
        yield Case(GRADIENT, "image", self._gradient(self.x), n)
        yield Case("attack gradient, adversarial images", "image", self._gradient(adversarial), n)
        yield Case("FGSM at five eps", "image", self._fgsm(evaluate=False), n)
        yield Case("FGSM at five eps with accuracies", "image", self._fgsm(evaluate=True), n)
        yield Case("CW step", "image and step", self._cw(), n * STEPS)
        yield Case("detection: logits and statistics", "image", self._detection(), n)

    def training(self) -> Case:
        """A step of training; run last, for it moves the weights."""
        x, n = self.x, len(self.y)
        one_hot = self.classifier.one_hot(self.y)
        shape = (1, n, self.classifier.architecture.dim_z)
        variables = self.classifier.trainable_variables
        ours, plains = make_optimizer(variables, Recipe(1, 1e-7)), tf.keras.optimizers.Adam(1e-7, epsilon=1e-8)
        plains.build(self.plain.variables)

        @tf.function
        def our_steps():
            for i in tf.range(STEPS):
                noise = tf.random.stateless_normal(shape, [0, i])
                adam_step(lambda noise=noise: self.classifier.weight_terms(x, one_hot, noise), variables, ours)
            return self.plain.variables[0][0]

        @tf.function
        def plain_step(i):
            noise = tf.random.stateless_normal(shape, [0, i])
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self.plain.bound(x, one_hot, noise))
            plains.apply(tape.gradient(loss, self.plain.variables), self.plain.variables)
            return self.plain.variables[0][0]

        def plain_steps():
            for i in range(STEPS):
                last = plain_step(tf.constant(i))
            last.numpy()

        contenders = {"ours": lambda: our_steps().numpy(), "plain": plain_steps} | self._torch("training step", STEPS)
        return Case(TRAINING, "image", contenders, STEPS * n)

    # ---- contenders --------------------------------------------------------------------------------------------------

    def _torch(self, case: str, times: int = 1) -> dict:
        def work():
            for _ in range(times):
                self.torch.work(case)

        return {"torch": work} if self.torch else {}

    def _logits(self):
        return {
            "ours": lambda: self.our_logits(self.x, self.noise).numpy(),
            "plain": lambda: self.plain_logits(self.x, self.noise).numpy(),
        } | self._torch("logits")

    def _gradient(self, x):
        return {
            "ours": lambda: self.our_gradient(x, self.y, self.noise).numpy(),
            "plain": lambda: self.plain_gradient(x, self.y, self.noise).numpy(),
        } | self._torch("gradient")

    def _fgsm(self, evaluate: bool):
        """Plain: a gradient, and with `evaluate` the accuracy, for every eps; the clean accuracy once in both."""
        x, y, index = self.x.numpy(), self.y.numpy(), self.index.numpy()
        options = SimpleNamespace(**ATTACKS["fgsm"].defaults("corrected"))
        target = Target(lambda v, i, seed: self.classifier.logits(v, self.noise, DROP), self.classes)
        craft, seeds = fgsm.build(target, options), iter(range(10**9))

        def ours():
            seed = next(seeds)  # another one each time: within a run the gradient of all eps is kept
            moved = [craft(x, y, index, eps, seed) for eps in EPS]
            if evaluate:
                for images in (x, *moved):
                    accuracy(self.our_logits(images, self.noise), y)

        def plain():
            moved = []
            for eps in EPS:
                direction = tf.sign(self.plain_gradient(self.x, self.y, self.noise))
                moved.append(tf.clip_by_value(self.x + eps * direction, 0.0, 1.0).numpy())
            if evaluate:
                for images in (self.x, *moved):
                    accuracy(self.plain_logits(images, self.noise), y)

        return {"ours": ours, "plain": plain}

    def _cw(self):
        options = SimpleNamespace(**ATTACKS["cw"].defaults("corrected") | {"steps": STEPS})
        arguments = self.x.numpy(), self.y.numpy(), self.index.numpy(), 10.0, 0

        def craft(logits):
            attack = cw.build(Target(lambda v, i, seed: logits(v, self.noise), self.classes), options)
            return lambda: attack(*arguments)

        ours = craft(lambda v, noise: self.classifier.logits(v, noise, DROP))
        return {"ours": ours, "plain": craft(self.plain.logits)}

    def _detection(self):
        """What a detector costs an image: its classifier's logits, then every statistic."""
        mean_posterior = np.full((self.classes, self.classes), 1 / self.classes, np.float32)

        def detect(logits):
            def statistics():
                outputs = logits(self.x, self.noise)
                labels = tf.argmax(outputs, axis=1)
                for name in DETECTORS:
                    np.asarray(getattr(detect_statistics, name)(outputs, labels, mean_posterior))

            return statistics

        return {"ours": detect(self.our_logits), "plain": detect(self.plain_logits)}

    @property
    def classes(self) -> int:
        return self.classifier.architecture.num_classes


def gradient_of(logits):
    """Compiled gradient in x of the log-odds against y."""

    @tf.function
    def gradient(x, y, noise):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = log_odds(y, logits(x, noise))
        return tape.gradient(loss, x)

    return gradient


def accuracy(logits, y) -> float:
    return float(np.mean(np.argmax(logits, axis=1) == y))
