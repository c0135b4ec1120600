"""Clean accuracy of a classifier: what every attack is held against."""

import time

import numpy as np

from deepbayes.data.checks import Images
from deepbayes.experiments.measurements.batches import batches, run
from deepbayes.experiments.measurements.context import Context
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.noise_roles import EVALUATION, noise_seed
from deepbayes.models.baselines.keras_model import check_logits
from deepbayes.models.classifier import Classifier

EXAMPLES = 6


def measure_clean(context: Context, victim: Classifier, advance=lambda n: None, needed: bool = False) -> dict:
    """The stored or newly computed clean result of a victim.

    Args:
      needed: whether the logits must be stored with it. Results of older versions lack them, or the labels, and are
        made again.
    """
    settings = {"attack": "clean", "victim": victim.name} | context.settings() | victim.settings
    found = None if context.fresh else context.store.read(settings)
    if found and "labels" in found and not (needed and "logits" not in context.store.arrays(found)):
        return found
    images = context.images
    content, outputs = evaluate(victim, images, context.seed, context.batch_size(victim), advance)
    return context.store.write(settings, content, examples(images.x) | {"logits": outputs})


def evaluate(
    victim: Classifier, images: Images, seed: int, batch_size: int, advance=lambda n: None
) -> tuple[dict, np.ndarray]:
    """Accuracy, predictions in the order of the images, mean and spread of what else the classifier reports (its
    `evaluation_terms`, nats); and the logits (N, C).

    Raises:
      UsageError: logits that are NaN or infinite.
    """
    start, logits = time.monotonic(), victim.graph_of("logits")
    role, index = noise_seed(seed, EVALUATION), images.index.astype(np.int32)
    outputs = run(lambda x, i: logits(x, i, role), (images.x, index), batch_size, advance)
    check_logits(outputs, len(images), outputs.shape[1], victim.name)
    predictions = outputs.argmax(axis=1)
    nats = _evaluation_terms(victim, (images.x, images.y.astype(np.int32), index), role, batch_size)
    content = {
        "n": len(images),
        "accuracy": rate(np.sum(predictions == images.y), len(images)),
        **{name: {"mean": float(v.mean()), "std": float(v.std()), "n": len(v)} for name, v in nats.items()},
        "predictions": predictions.tolist(),
        "labels": images.y.tolist(),
        "seconds": time.monotonic() - start,
    }
    return content, outputs


def _evaluation_terms(victim: Classifier, arrays: tuple, seed, batch_size: int) -> dict[str, np.ndarray]:
    """The classifier's `evaluation_terms` of all images; a classifier without any is not asked."""
    if type(victim).evaluation_terms is Classifier.evaluation_terms:
        return {}
    compiled = victim.graph_of("evaluation_terms")
    parts = [
        {name: np.asarray(v)[:true] for name, v in compiled(*batch, seed).items()}
        for true, batch in batches(arrays, batch_size)
    ]
    return {name: np.concatenate([part[name] for part in parts]).astype(np.float64) for name in parts[0]}


def examples(x) -> dict[str, np.ndarray]:
    """A few images at even distances, in bytes, and their rows: what the example strips show."""
    shown = np.arange(min(EXAMPLES, len(x))) * len(x) // min(EXAMPLES, len(x))
    return {"examples": np.rint(x[shown] * 255).astype(np.uint8), "examples_row": shown}
