"""Surrogates: plain CNNs that copy a victim, so that an attacker without its gradient has one to follow (paper, 4.1).

    grey box    distilled from the victim's probabilities on its training images
    black box   a substitute by Jacobian augmentation (Papernot et al., arXiv 1602.02697; the paper's eq. 4):
                D_(t+1) = D_t + {(x', F(x')) : x' = clip(x + lambda gradient_x (p(x)^T F(x)), 0, 1)}
                p the substitute's probabilities, F the victim's: the plain gradient, not its sign; D doubles each time

Kept in <output>/students/<data set>/<victim>/<kind>-<hash>.keras with a card beside it, and made once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.special
import tensorflow as tf

from deepbayes.data.checks import DataError, Images, NotAtHand
from deepbayes.data.registry import DATASETS, default_name
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.context import Context
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.noise_roles import ATTACK, noise_seed
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.preparation.nets import made_once
from deepbayes.experiments.preparation.training_logits import training_logits
from deepbayes.experiments.settings.defaults import LAMBDA, LOOP_EPOCHS, LOOPS, STUDENT_EPOCHS
from deepbayes.experiments.store.results import settings_hash
from deepbayes.models.baselines.cnn import fit, new_cnn
from deepbayes.models.baselines.keras_model import KerasClassifier
from deepbayes.models.classifier import Classifier

_QUERIED = 10_000_000
"""Positions of images that are in no data set: their noise is drawn from here on."""


@dataclass(frozen=True)
class Student:
    """A trained copy.

    Attributes:
      classifier: the net. card: what it was made from, queries, agreement with its teacher.
      left_out: positions of test images that it was made from.
    """

    classifier: Classifier
    card: dict
    left_out: np.ndarray


def grey_box_student(context: Context, victim: Classifier) -> Student:
    """Distilled on the victim's training images, or where those are not at hand on test images left unattacked."""
    images, logits, note = _teaching(context, victim)
    settings = _settings(context, victim, "greybox") | {"images": len(images), "taught_on": note}
    settings |= {"epochs": STUDENT_EPOCHS, "data_sha256": images.sha256}

    def make(net, progress):
        fit(net, images.x, scipy.special.softmax(logits, axis=1), STUDENT_EPOCHS, seed=context.seed,
            after_epoch=lambda: progress.advance(1))  # fmt: skip
        return {"queries": len(images)}

    return _student(context, victim, settings, make, STUDENT_EPOCHS, np.array([], int))


def black_box_student(context: Context, victim: Classifier) -> Student:
    """A substitute grown from test images, by queries alone; it must not be judged on those it grew from."""
    seeds = _seed_images(context)
    settings = _settings(context, victim, "blackbox")
    settings |= {"seeds_sha256": settings_hash({"index": seeds.index.tolist()}), "seeds": len(seeds)}
    settings |= {"lambda": LAMBDA, "loops": LOOPS, "loop_epochs": LOOP_EPOCHS}
    logits = victim.graph_of("logits")
    noise = noise_seed(context.seed, ATTACK)

    def query(x, first: int, progress):
        index = np.arange(_QUERIED + first, _QUERIED + first + len(x), dtype=np.int32)
        outputs = run_batches(
            lambda v, i: logits(v, i, noise), (x, index), context.batch_size(victim), progress.advance
        )
        return scipy.special.softmax(outputs, axis=1)

    def make(net, progress):
        x, answers = seeds.x, query(seeds.x, 0, progress)
        for loop in range(LOOPS):
            fit(net, x, answers, LOOP_EPOCHS, seed=context.seed + loop)
            if loop < LOOPS - 1:
                new = augment(net, x, answers)
                x, answers = np.concatenate([x, new]), np.concatenate([answers, query(new, len(x), progress)])
        return {"queries": len(x)}

    return _student(context, victim, settings, make, len(seeds) * 2 ** (LOOPS - 1), seeds.index)


def augment(net, x, answers, batch_size: int = 100) -> np.ndarray:
    """Eq. 4: x + lambda gradient_x (p(x)^T y), clipped to [0, 1] since a victim takes no other images."""

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            agreement = tf.reduce_sum(tf.nn.softmax(net(x, training=False)) * y, axis=1)
        return tf.clip_by_value(x + LAMBDA * tape.gradient(agreement, x), 0.0, 1.0)

    return run_batches(step, (x, answers.astype(np.float32)), batch_size)


def _settings(context: Context, victim: Classifier, kind: str) -> dict:
    o = context.run
    return {
        "kind": kind,
        "dataset": context.dataset,
        "victim": victim.name,
        "seed": o.seed,
        "net": "cnn",
    } | victim.settings


def _teaching(context: Context, victim: Classifier) -> tuple[Images, np.ndarray, str]:
    """Images with the victim's logits, and what they are."""
    o = context.run
    name, part = victim.trained_on.split("/")
    try:
        if context.dataset == default_name(o.data_dir) == "mnist5k":
            raise NotAtHand("MNIST is not at hand, and a data set that was not asked for is not downloaded")
        images = DATASETS[name].load(part, o.data_dir)
        taught = training_logits(o, context.dataset, victim, context.protocol)
        images = images.spread(len(taught.labels))
        if not np.array_equal(images.y, taught.labels):
            raise DataError(f"the training logits of {victim.name} are not of {victim.trained_on}: remove them")
        return images, taught.logits, victim.trained_on
    except NotAtHand:  # damaged ones are said, and stop it
        whole = context.data.load("test", o.data_dir)
    images = whole.take(~np.isin(whole.index, context.images.index))
    if len(images) < len(whole) // 2:
        raise DataError(
            f"{victim.name}'s training images ({victim.trained_on}) are not at hand, and too few test images are left "
            f"to teach a surrogate: attack fewer (--num-images), or name the data by --data-dir"
        )
    note = f"{len(images)} images of {context.dataset}/test that are not attacked"
    say(f"{victim.trained_on} is not at hand: the surrogate of {victim.name} learns from {note}")
    logits, noise = victim.graph_of("logits"), noise_seed(o.seed, ATTACK)
    with bar(len(images), f"{victim.name}: logits for its surrogate") as progress:
        arrays = images.x, images.index.astype(np.int32)
        return (
            images,
            run_batches(lambda x, i: logits(x, i, noise), arrays, context.batch_size(victim), progress.advance),
            note,
        )


def _seed_images(context: Context) -> Images:
    """`--seeds-per-class` test images of each class; those that are not attacked first where others do not count."""
    o, classes = context.run, context.data.classes
    whole = context.data.load("test", o.data_dir)
    rows, order = [], np.random.default_rng(o.seed).permutation(len(whole))
    last = np.isin(whole.index, context.images.index) & context.protocol.leave_out_seeds
    for c in range(classes):
        mine = order[whole.y[order] == c]
        rows += sorted(mine, key=lambda r: last[r])[: o.surrogate.seeds_per_class or context.protocol.seeds_per_class]
    return whole.take(np.array(rows))


def _student(
    context: Context, victim: Classifier, settings: dict, make: Callable, work: float, left_out: np.ndarray
) -> Student:
    """The student of these settings as a victim; `make(net, progress)` trains it and gives the card's facts."""
    folder = context.store.root / "students" / context.dataset / victim.name
    net, card = made_once(
        folder / f"{settings['kind']}-{settings_hash(settings)}.keras", settings,
        lambda: new_cnn(context.images.x.shape[1:], context.data.classes, settings["seed"]),
        make, (work, f"a surrogate of {victim.name}"), context.fresh,
    )  # fmt: skip
    student = KerasClassifier(net, f"surrogate of {victim.name}", context.data.classes)
    student.settings = {"weights_sha256": card["weights_sha256"]}
    return Student(student, card, left_out)


def agreement(student_predictions, victim_predictions) -> dict:
    """Share of images on which a surrogate predicts the class that its victim predicts."""
    same = np.asarray(student_predictions) == np.asarray(victim_predictions)
    return rate(same.sum(), len(same))
