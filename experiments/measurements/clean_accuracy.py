"""Clean accuracy and bound of a victim: what every attack is held against."""

import time

import numpy as np
import tensorflow as tf
from deepbayes.data.checks import Images
from deepbayes.experiments.measurements.batches import run
from deepbayes.experiments.measurements.context import Context
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.victims import Victim, check_logits

EVALUATION, ATTACK, FRESH, CALIBRATION, DETECTION = 0, 1, 2, 500, 501
"""Roles of noise: what a result is measured with, what an attack's gradient sees, the first of the fresh draws, what
thresholds are set on, and the second evaluation of the 2019 detection."""
_ROLES = 1000
EXAMPLES = 6


def noise_seed(seed: int, role: int) -> tf.Tensor:
    """A seed of its own for each role of a run."""
    return tf.constant(seed * _ROLES + role, tf.int32)


def compiled_logits(victim: Victim, shape, batch_size: int):
    """victim.logits as one graph for batches of this shape."""
    signature = [
        tf.TensorSpec((batch_size, *shape), tf.float32),
        tf.TensorSpec((batch_size,), tf.int32),
        tf.TensorSpec((), tf.int32),
    ]
    return tf.function(victim.logits, input_signature=signature)


def measure_clean(context: Context, victim: Victim, logits, advance=lambda n: None, needed: bool = False) -> dict:
    """The stored or newly computed clean result of a victim; `logits` is its compiled function.

    Args:
      needed: whether the logits must be stored with it. Results of older versions lack them, or the labels, and are
        made again.
    """
    settings = {"attack": "clean", "victim": victim.name} | context.settings() | victim.settings
    found = None if context.options.fresh else context.store.read(settings)
    if found and "labels" in found and not (needed and "logits" not in context.store.arrays(found)):
        return found
    images = context.images
    content, outputs = evaluate(victim, logits, images, context.options.seed, context.batch_size, advance)
    return context.store.write(settings, content, examples(images.x) | {"logits": outputs})


def evaluate(
    victim: Victim, logits, images: Images, seed: int, batch_size: int, advance=lambda n: None
) -> tuple[dict, np.ndarray]:
    """Accuracy, predictions in the order of the images, and bound; and the logits (N, C).

    `bound` is the mean and standard deviation in nats of the importance-weighted bound on log p(x, y) with the victim's
    K samples; None for a victim without one.

    Raises:
      UsageError: logits that are NaN or infinite.
    """
    start = time.monotonic()
    role, index = noise_seed(seed, EVALUATION), images.index.astype(np.int32)
    outputs = run(lambda x, i: logits(x, i, role), (images.x, index), batch_size, advance)
    check_logits(outputs, len(images), outputs.shape[1], victim.name)
    predictions = outputs.argmax(axis=1)
    bound = None
    if victim.bound is not None:
        compiled = tf.function(victim.bound)
        arrays = (images.x, images.y.astype(np.int32), index)
        nats = run(lambda x, y, i: compiled(x, y, i, role), arrays, batch_size).astype(np.float64)
        bound = {"mean": float(nats.mean()), "std": float(nats.std()), "n": len(nats)}
    content = {
        "n": len(images),
        "accuracy": rate(np.sum(predictions == images.y), len(images)),
        "bound": bound,
        "predictions": predictions.tolist(),
        "labels": images.y.tolist(),
        "seconds": time.monotonic() - start,
    }
    return content, outputs


def examples(x) -> dict[str, np.ndarray]:
    """A few images at even distances, in bytes, and their rows: what the example strips show."""
    shown = np.arange(min(EXAMPLES, len(x))) * len(x) // min(EXAMPLES, len(x))
    return {"examples": np.rint(x[shown] * 255).astype(np.uint8), "examples_row": shown}
