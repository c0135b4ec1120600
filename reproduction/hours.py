"""How long runs take on this machine: what they evaluate, at a speed that is measured."""

import time

import numpy as np

from deepbayes.data.registry import DATASETS
from deepbayes.experiments.settings.attack_plan import make_plan
from deepbayes.experiments.settings.defaults import DEFAULT_IMAGES, LOOP_EPOCHS, LOOPS, STUDENT_EPOCHS
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.reference.published import has_density
from deepbayes.reproduction.required_runs import PROTOCOL, SURROGATES, RequiredRun, images_run

_EVALUATIONS_A_TRAINING_STEP, _EVALUATIONS_A_CNN_STEP = 0.1, 0.03
"""A training step on an image, of a classifier and of a surrogate, beside logits of GFZ with K = 10."""
_MEASURED_ON = "GFZ"
"""The classifier in whose evaluations those steps are counted."""


class Speed:
    """Milliseconds of one evaluation of an image's logits on this machine, K = 10.

    Measured once for the classifiers with a density of x and once for those without, whose logits need no decoder: to
    build one takes seconds.
    """

    def __init__(self):
        self._milliseconds: dict[tuple[str, bool], float] = {}

    def __call__(self, dataset: str, name: str) -> float:
        kind = dataset, has_density(name)
        if kind not in self._milliseconds:
            self._milliseconds[kind] = self._measure(dataset, name)
        return self._milliseconds[kind]

    @staticmethod
    def _measure(dataset: str, name: str, n: int = 20, rounds: int = 3) -> float:
        import tensorflow as tf  # here, so that commands that run nothing come up at once

        from deepbayes.models.zoo import new_classifier

        model = new_classifier(dataset, name, seed=0).model
        x = tf.random.stateless_uniform((n, *DATASETS[dataset].shape), (0, 0))
        noise = model.draw(0, tf.range(n))
        logits = tf.function(lambda x: model.logits(x, noise))
        logits(x)
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            logits(x).numpy()
            seconds.append(time.perf_counter() - start)
        return 1e3 * float(np.median(seconds)) / n


def hours(run: RequiredRun, num_images: int | None, speed: Speed) -> float:
    """What a run takes: attack, evaluation, thresholds for weights that do not ship, queries and fit of surrogates."""
    from deepbayes.experiments.measurements.craft import cost  # imports the attack, and TensorFlow with it

    usual = speed(run.dataset, _MEASURED_ON)
    if run.command[0] == "train":
        steps = int(run.command[run.command.index("--epochs") + 1]) * DATASETS[run.dataset].training_images
        return len(run.classifiers) * steps * _EVALUATIONS_A_TRAINING_STEP * usual / 3.6e6
    name = run.command[run.command.index("--attack") + 1] if "--attack" in run.command else run.command[0]
    evaluations, on_a_surrogate, n = 1.0, 0.0, images_run(num_images, run.dataset)
    if name != "evaluate":
        attack = cost(make_plan(name, run.dataset, PROTOCOL, grid=run.grid))
        moved = (len(run.classifiers) - 1) if run.command[0] == "transfer" else 0
        on_a_surrogate = len(run.grid) * attack if run.command[0] in SURROGATES else 0.0
        evaluations += len(run.grid) * (2 + moved + attack) - on_a_surrogate
    first, steps = _beforehand(run)
    total = sum((n * evaluations + first) * speed(run.dataset, c) for c in run.classifiers)
    cnn = _EVALUATIONS_A_CNN_STEP * usual
    return (total + len(run.classifiers) * (n * on_a_surrogate + steps) * cnn) / 3.6e6


def _beforehand(run: RequiredRun) -> tuple[int, int]:
    """Evaluations of a classifier, and training steps of its surrogate, in images, before the first attack."""
    thresholds = DEFAULT_IMAGES if run.weights and {"detect", "--detect"} & {*run.command} else 0
    if run.command[0] == "greybox":
        images = DEFAULT_IMAGES if run.weights else DATASETS[run.dataset].training_images
        return thresholds or (DEFAULT_IMAGES if run.weights else 0), images * STUDENT_EPOCHS
    if run.command[0] == "blackbox":
        seeds = PROTOCOLS[PROTOCOL].seeds_per_class * DATASETS[run.dataset].classes
        return thresholds + seeds * 2 ** (LOOPS - 1), seeds * (2**LOOPS - 1) * LOOP_EPOCHS
    return thresholds, 0
