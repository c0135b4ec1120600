"""`ood`: how well the detectors tell images of another kind from the data set's own, classifier by classifier."""

import numpy as np

from deepbayes.data.registry import DATASETS
from deepbayes.detect.metrics import auroc, true_rate_at
from deepbayes.detect.thresholds import FittedDetector
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import measure_clean
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.noise_roles import EVALUATION, noise_seed
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.preparation.detectors import fit_detectors
from deepbayes.experiments.runs.detect import FALSE_RATES
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.classifier import Classifier


def run(settings: RunSettings) -> list[dict]:
    """A result for every classifier and kind of other images."""
    context = open_context(settings)
    others = {name: other_images(context, name) for name in settings.against or _at_hand(context)}
    results = []
    for _, load in context.classifiers():
        victim = load()
        detectors, thresholds = fit_detectors(context, victim)
        clean = context.store.arrays(measure_clean(context, victim, needed=True))["logits"]
        for against, x in others.items():
            full = {"attack": "ood", "against": against, "victim": victim.name} | context.settings() | victim.settings
            full["detection"] = thresholds
            result = None if settings.fresh else context.store.read(full)
            results.append(result or _measure(context, victim, detectors, clean, full, x))
        say(f"{victim.name}: evaluated on {' and '.join(others)}")
    return results


def _at_hand(context: Context) -> list[str]:
    found = []
    for name in context.data.strange:
        if DATASETS[name].at_hand(context.run.data_dir):
            found.append(name)
        else:
            say(f"{name} is not at hand: left out (--against {name} downloads it)")
    return [*found, "noise"]


def other_images(context: Context, against: str) -> np.ndarray:
    """As many images of the other kind as there are test images: pixels uniform in [0, 1], or another data set's."""
    shape, n = context.images.x.shape[1:], len(context.images)
    if against == "noise":
        return np.random.default_rng([context.seed, 7]).uniform(size=(n, *shape)).astype(np.float32)
    if against == context.dataset:
        raise UsageError(f"--against {against} is the data set itself; take --against noise")
    if DATASETS[against].shape != shape:
        raise UsageError(
            f"{against} has images of shape {DATASETS[against].shape}, {context.dataset} of {shape}: --against noise"
        )
    return DATASETS[against].load("test", context.run.data_dir).spread(n).x


def _measure(context, victim: Classifier, detectors: dict[str, FittedDetector], clean, settings, x) -> dict:
    logits, seed = victim.graph_of("logits"), noise_seed(context.seed, EVALUATION)
    with bar(len(x), f"the detectors of {victim.name} on {settings['against']}") as progress:
        arrays = (x, np.arange(len(x), dtype=np.int32))
        seen = run_batches(lambda v, i: logits(v, i, seed), arrays, context.batch_size(victim), progress.advance)
    content = {}
    for name, detector in detectors.items():
        labels = clean.argmax(axis=1), seen.argmax(axis=1)
        scores = detector.score(clean, labels[0]), detector.score(seen, labels[1])
        content[name] = {
            "auroc": auroc(*scores),
            "true_rate_at": {str(f): true_rate_at(f, *scores) for f in FALSE_RATES},
            "fp": rate(detector.rejects(clean, labels[0]).sum(), len(clean)),
            "tp": rate(detector.rejects(seen, labels[1]).sum(), len(seen)),
        }
    return context.store.write(settings, {"n": len(x), "detectors": content})
