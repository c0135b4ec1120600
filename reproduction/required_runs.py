"""The runs that a set of the paper's figures needs, as command lines, and how long they take here."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import USUAL
from deepbayes.experiments.measurements.craft import cost
from deepbayes.experiments.measurements.surrogate_models import LOOP_EPOCHS, LOOPS, STUDENT_EPOCHS
from deepbayes.experiments.measurements.training_logits import DEFAULT_IMAGES
from deepbayes.experiments.settings.attack_plan import make_plan
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.models import zoo
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, SEVEN_NAMES
from deepbayes.reference.published import Key, Published
from deepbayes.reproduction.comparability import PAPERS_IMAGES

PROTOCOL = "paper"
_STUDENTS = ("greybox", "blackbox")
_EVALUATIONS_A_TRAINING_STEP, _EVALUATIONS_A_CNN_STEP = 0.1, 0.03
"""A training step on an image, of a classifier and of a student, beside logits with K = 10, all classes, a decoder."""
TRAINING = {"mnist": (60_000, 100, 1e-4), "plane_frog": (10_000, 200, 5e-5)}
"""Images, and epochs and learning rate of the released code."""


@dataclass(frozen=True)
class Needed:
    """One command for several classifiers and values.

    Attributes:
      command: without classifiers, grid and common options: ("detect", "--attack", "fgsm").
      parameter: "eps", "c", or "" where there is no grid. weights: folder, or "" for what ships.
    """

    command: tuple[str, ...]
    dataset: str
    dim_z: int | None
    parameter: str
    grid: tuple[float, ...]
    classifiers: tuple[str, ...]
    weights: str = ""

    def arguments(self, num_images: str, extra: tuple[str, ...] = ()) -> list[str]:
        grid = [f"--{self.parameter}", *(f"{v:g}" for v in self.grid)] if self.grid else []
        dim_z = ["--dim-z", str(self.dim_z)] if self.dim_z else []
        weights = ["--weights", self.weights] if self.weights else []
        common = ["--protocol", PROTOCOL, "--num-images", num_images, *extra]
        return [*self.command, "--dataset", self.dataset, "--classifiers", *self.classifiers, *dim_z, *grid, *weights,
                *common]  # fmt: skip


def why_not(figure: Published) -> str:
    """Why no run of ours can measure it; "" where one can."""
    key = figure.key
    if key.dataset not in DATASETS:
        return "the fusion models on VGG16 features (section 4.3) are not part of this port"
    if key.classifier == "BNN":
        return "BNN, the paper's Bayesian network without a latent variable, is not part of this port"
    if key.classifier not in FACTORISATIONS or key.metric == "success_percent":
        return "a statement of the text"
    return ""


def needed(figures: Iterable[Published]) -> list[Needed]:
    """The commands that measure these figures, each with all the classifiers and values that share it."""
    figures = list(figures)
    detected = {(f.key.dataset, f.key.classifier, f.key.attack) for f in figures if f.key.metric.startswith("tp_")}
    found: dict[tuple, tuple[dict, set]] = {}
    for figure in figures:
        key = figure.key
        attack = key.attack.split("_")[-1] if not key.attack.startswith("wbs") else "wbs"
        command = _command(key, (key.dataset, key.classifier, key.attack) in detected)
        parameter = "" if key.attack == "clean" else ATTACKS[attack].parameter
        dim_z = int(key.parts["dim_z"]) if "dim_z" in key.parts else None
        classifiers, values = found.setdefault((command, key.dataset, dim_z, parameter), ({}, set()))
        attacked = key.parts["from"] if "--guard" in command else key.classifier
        classifiers |= dict.fromkeys(SEVEN_NAMES if command[0] == "transfer" else [attacked])
        if parameter in key.parts:
            values.add(float(key.parts[parameter]))
        elif parameter:  # all eps
            bound = float(key.parameter.split(";")[0].removeprefix("eps<=")) if "<=" in key.parameter else np.inf
            values.update(v for v in DATASETS[key.dataset].eps_grid if v <= bound)
    return [
        Needed(command, dataset, dim_z, parameter, tuple(sorted(values)), tuple(classifiers))
        for (command, dataset, dim_z, parameter), (classifiers, values) in found.items()
    ]


def _command(key: Key, detected: bool) -> tuple[str, ...]:
    if key.attack == "clean":
        return ("evaluate",)
    through, _, name = key.attack.rpartition("_")
    if through == "transfer":
        guarded = key.metric.startswith("tp_")
        return ("detect", "--attack", name, "--guard", key.classifier) if guarded else ("transfer", "--attack", name)
    if through in _STUDENTS:
        return through, "--attack", name, *(["--detect"] if detected else [])
    attack, options = key.attack, ()
    if attack.startswith("wbs_"):
        statistic, attack = attack.removeprefix("wbs_"), "wbs"
        options = ("--statistic", statistic)
        options += ("--lambda", key.parts["lambda"]) if statistic != "none" else ()
    return ("detect", "--attack", attack, *options) if detected else (attack, *options)


def trained_for(card: dict, dataset: str, epochs: int | None) -> bool:
    """Whether weights had so many epochs; None is the paper's number."""
    return card["training"]["epochs"] >= (TRAINING[dataset][1] if epochs is None else epochs)


def images_run(num_images: int | None, dataset: str) -> int:
    """How many images a run on so many, None for all, stands on: 2019 drops a last partial batch."""
    size = PAPERS_IMAGES[dataset]
    return PROTOCOLS[PROTOCOL].images_used(size if num_images is None else min(num_images, size), USUAL)


class Speed:
    """Milliseconds of one evaluation of an image's logits here, K = 10, with and without a decoder; measured once."""

    def __init__(self):
        self._found: dict[tuple, float] = {}

    def __call__(self, dataset: str, name: str) -> float:
        key = dataset, FACTORISATIONS[name].models_x
        if key not in self._found:
            self._found[key] = self._measure(dataset, name)
        return self._found[key]

    @staticmethod
    def _measure(dataset: str, name: str, n: int = 20, rounds: int = 3) -> float:
        classifier = zoo.new_classifier(dataset, name, seed=0).model
        x = tf.random.stateless_uniform((n, *DATASETS[dataset].shape), (0, 0))
        noise = classifier.draw(0, tf.range(n))
        logits = tf.function(lambda x: classifier.logits(x, noise))
        logits(x)
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            logits(x).numpy()
            seconds.append(time.perf_counter() - start)
        return 1e3 * float(np.median(seconds)) / n


def hours(run: Needed, num_images: int | None, speed: Speed) -> float:
    """What a run takes: attack, evaluation, thresholds on weights that do not ship, queries and fitting of students."""
    if run.command[0] == "train":
        steps = int(run.command[run.command.index("--epochs") + 1]) * TRAINING[run.dataset][0]
        return len(run.classifiers) * steps * _EVALUATIONS_A_TRAINING_STEP * speed(run.dataset, "GFZ") / 3.6e6
    name = run.command[run.command.index("--attack") + 1] if "--attack" in run.command else run.command[0]
    evaluations, on_a_student, n = 1.0, 0.0, images_run(num_images, run.dataset)
    if name != "evaluate":
        attack = cost(make_plan(name, run.dataset, PROTOCOL, grid=run.grid))
        moved = (len(run.classifiers) - 1) if run.command[0] == "transfer" else 0
        on_a_student = len(run.grid) * attack if run.command[0] in _STUDENTS else 0.0
        evaluations += len(run.grid) * (2 + moved + attack) - on_a_student
    first, steps = _beforehand(run)
    total = sum((n * evaluations + first) * speed(run.dataset, c) for c in run.classifiers)
    cnn = _EVALUATIONS_A_CNN_STEP * speed(run.dataset, "GFZ")
    return (total + len(run.classifiers) * (n * on_a_student + steps) * cnn) / 3.6e6


def _beforehand(run: Needed) -> tuple[int, int]:
    """Evaluations of a classifier, and training steps of its student, in images, before the first attack."""
    thresholds = DEFAULT_IMAGES if run.weights and {"detect", "--detect"} & {*run.command} else 0
    if run.command[0] == "greybox":
        images = DEFAULT_IMAGES if run.weights else TRAINING[run.dataset][0]
        return thresholds or (DEFAULT_IMAGES if run.weights else 0), images * STUDENT_EPOCHS
    if run.command[0] == "blackbox":
        seeds = PROTOCOLS[PROTOCOL].seeds_per_class * DATASETS[run.dataset].classes
        return thresholds + seeds * 2 ** (LOOPS - 1), seeds * (2**LOOPS - 1) * LOOP_EPOCHS
    return thresholds, 0
