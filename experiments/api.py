"""One function for scripts and notebooks: `deepbayes.attack`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepbayes.attacks.registry import ATTACKS
from deepbayes.attacks.target import check_batch
from deepbayes.data.checks import Images, pixel_sha256
from deepbayes.data.registry import Dataset
from deepbayes.experiments.measurements.context import Context
from deepbayes.experiments.runs.attack import AttackRun
from deepbayes.experiments.settings.attack_plan import plan_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.settings.run_settings import AttackSettings, RunSettings
from deepbayes.experiments.store.memory import MemoryStore
from deepbayes.models.baselines.keras_model import CallableClassifier, KerasClassifier
from deepbayes.models.classifier import Classifier

_FIXED = ("targeted", "known_noise", "full_gradient")


def attack(name: str, classifier: Any, x, y, **options) -> tuple[np.ndarray, Any]:
    """Attacks a classifier; returns the adversarial images and the measured result.

        images, result = deepbayes.attack("pgd", classifier, x, y, eps=0.2, steps=100)
        images, results = deepbayes.attack("fgsm", my_keras_model, x, y, eps=[0.1, 0.2])

    Args:
      name: of the attack: "fgsm", "pgd", "mim", "cw", ... (attacks/registry.py).
      classifier: a `Classifier` (see `load_classifier`), a Keras model, or any TensorFlow function from images to
        logits. Logits are log-probabilities up to a constant an image, in nats. They are never probabilities.
      x: (N, H, W, ch) images, pixels in [0, 1].
      y: (N,) integer labels in 0 .. C-1.
      **options: the attack's budget by its name (`eps`, `c`, `pixels`, ...), one number or several. Also the attack's
        own options (`steps`, `loss`, `restarts`, ...), and `targeted`, `known_noise`, `full_gradient` (booleans).
        `seed` is 0 by default, `protocol` is "corrected"; `batch_size` is what suits the memory.

    Returns:
      (N, H, W, ch) float32 images and an `AttackResult`; for B budgets (B, N, H, W, ch) and a list of B results.

    Raises:
      UsageError: the attack or an option is unknown, the budget is missing, or the command line refuses the value.
      ValueError: images are outside [0, 1], or labels do not fit.
    """
    if name not in ATTACKS:
        raise UsageError(f"no attack is called {name!r}; there are {', '.join(ATTACKS)}")
    budget = options.pop(ATTACKS[name].parameter, None)
    if budget is None:
        raise UsageError(f"{name} needs its budget: {ATTACKS[name].parameter}=...")
    several = isinstance(budget, Sequence | np.ndarray)
    values = [float(v) for v in (budget if several else [budget])]
    run = {n: options.pop(n) for n in ("seed", "protocol", "batch_size") if n in options}
    fixed = {n: options.pop(n) for n in _FIXED if n in options}
    context = _context(classifier, np.asarray(x, np.float32), np.asarray(y), run)
    plan = plan_of(AttackSettings(name, tuple(values), options, **fixed), context.dataset, context.protocol.name)
    attacked = AttackRun(context, as_classifier(classifier, context.data), plan, frozenset({"x_adv"}), quiet=True)
    found = {value: attacked.result(value) for value in plan.grid}
    images = {value: context.store.arrays(result)["x_adv"] for value, result in found.items()}
    if not several:
        return images[values[0]], found[values[0]]
    return np.stack([images[v] for v in values]), [found[v] for v in values]


def as_classifier(classifier: Any, data: Dataset) -> Classifier:
    """One of ours as it is; a Keras model or a function as a deterministic classifier."""
    import keras

    if isinstance(classifier, Classifier):
        return classifier
    if isinstance(classifier, keras.Model):
        return KerasClassifier(classifier, classifier.name, data.classes, data.shape)
    return CallableClassifier(classifier, getattr(classifier, "__name__", "function"), data.classes, data.shape)


def _context(classifier: Any, x: np.ndarray, y: np.ndarray, run: dict) -> Context:
    """The images as a data set of their own, and a store that keeps nothing on disk."""
    ours = isinstance(classifier, Classifier)
    if not ours and not callable(classifier):
        raise UsageError(f"a classifier is one of ours, a Keras model or a function, not a {type(classifier).__name__}")
    classes = classifier.classes if ours else int(np.asarray(classifier(x[:1])).shape[-1])
    index = np.arange(len(x))
    check_batch(x, y, index, classes)
    data = Dataset(
        name="arrays", shape=x.shape[1:], classes=classes, split="the images given", source="the caller",
        licence="the caller's", unseen=("arrays",), loader="", eps_grid=(),
    )  # fmt: skip
    settings = RunSettings(output=None, dataset="arrays", classifiers=(), **run)
    images = Images(x, y.astype(np.int64), index, "arrays/test", pixel_sha256(x))
    return Context(settings, data, images, PROTOCOLS[settings.protocol], MemoryStore())
