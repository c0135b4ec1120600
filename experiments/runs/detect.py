"""`detect`: the share of successful attacks that a guard detects, at thresholds set on training images.

The guard is the victim itself, or another classifier (`--guard`), which then sees what was made against the victim.
"""

import numpy as np

from deepbayes.detect.metrics import auroc, class_averaged, class_averaged_error, true_rate_at
from deepbayes.detect.thresholds import FittedDetector
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import measure_clean
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.noise_roles import DETECTION, EVALUATION, noise_seed
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.preparation.detectors import fit_detectors
from deepbayes.experiments.runs.attack import attack_all
from deepbayes.experiments.settings.attack_plan import plan_of, value_of
from deepbayes.experiments.settings.protocol import DetectionProtocol
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.classifier import Classifier

FALSE_RATES = (0.05, 0.01)
"""False-positive rates at which the ROC curve is read."""


def run(settings: RunSettings) -> list[dict]:
    """A detection result for every classifier and value of the attack's grid."""
    context = open_context(settings)
    plan = plan_of(settings.attack, context.dataset, context.protocol.name)
    victims, guard = [load() for _, load in context.classifiers()], _guard(context)
    guards = [guard] if guard else victims  # a victim that is the guard, too, has its name
    fitted = {g.name: fit_detectors(context, g) for g in guards}  # first: thresholds see no attack
    loaders = [(v.name, lambda v=v: v) for v in victims]
    results = []
    for victim, found in attack_all(context, plan, loaders, arrays_needed(context, guard)):
        by = victim if guard is None or guard.settings == victim.settings else guard
        results += detect(context, victim, by, fitted[by.name], found)
    return results


def arrays_needed(context: Context, guard: Classifier | None = None) -> frozenset[str]:
    """What `detect` reads of attack results: the images, too, where they are looked at again."""
    looks_again = guard is not None or context.protocol.detection.second_evaluation
    return frozenset({"logits", "x_adv"} if looks_again else {"logits"})


def _guard(context: Context) -> Classifier | None:
    if not context.run.detection.guard:
        return None
    ((_, load),) = context.classifiers([context.run.detection.guard])
    return load()


def detect(
    context: Context, victim: Classifier, guard: Classifier, fitted: tuple[dict, dict], found: list[dict]
) -> list[dict]:
    """A detection result for each attack result of `found`, which begins with the victim's clean one.

    Args:
      fitted: the guard's, from `fit_detectors`.
    """
    how, images = context.protocol.detection, context.images
    detectors, settings = fitted
    settings = settings | {"guard": guard.name, "guard_settings": guard.settings}
    settings["chosen_guard"] = bool(context.run.detection.guard)
    size = context.batch_size(guard)
    logits = guard.graph_of("logits")
    clean, *attacks = found
    if guard is not victim:
        clean = measure_clean(context, guard, needed=True)
    clean_logits = context.store.arrays(clean)["logits"]
    index = images.index.astype(np.int32)
    seed = noise_seed(context.seed, EVALUATION if guard is not victim else DETECTION)
    results = []
    with bar(len(images) * len(attacks), f"the detectors of {guard.name} on the attacks on {victim.name}") as progress:
        for attack in attacks:
            full = attack["settings"] | {"detection": settings}
            result = None if context.fresh else context.store.read(full)
            if result is None:
                stored = context.store.arrays(attack)
                seen = stored["logits"]
                # 2019 looks twice where the guard is who was attacked, once at images that were moved to it
                if guard is not victim or (how.second_evaluation and "through" not in attack["settings"]):
                    arrays = (stored["x_adv"], index)
                    seen = run_batches(lambda x, i: logits(x, i, seed), arrays, size, progress.advance)
                deciding = stored["logits"] if guard is victim else seen
                content, arrays = measure(detectors, how, clean_logits, seen, deciding, images.y)
                fooled = stored["logits"].argmax(axis=1) != images.y
                content["transferred"] = rate(np.sum(fooled & (deciding.argmax(axis=1) != images.y)), fooled.sum())
                result = context.store.write(full, content, arrays)
            results.append(result)
    detected = [f"{value_of(r['settings']):g}: {percent(r['union']['tp'])} %" for r in results]
    say(f"{guard.name}: of the successful attacks, detected by any detector, by budget: " + ", ".join(detected))
    return results


def measure(
    detectors: dict[str, FittedDetector], how: DetectionProtocol, clean_logits, logits, deciding, y
) -> tuple[dict, dict[str, np.ndarray]]:
    """What each detector, and any of them together, does with clean and attacked images of one guard.

    Args:
      clean_logits, logits: (N, C), of the images before and after the attack; the statistics come from them.
      deciding: (N, C), what success and predicted class come from: `logits`, but for 2019's second evaluation.
      y: (N,) true labels.

    Returns:
      the content of a result: for each detector `fp` (clean test images), `tp` (successful attacks, by image),
      `tp_class_averaged` and its standard error, `auroc`, `true_rate_at`, `unnoticed_errors` (of all attacked images);
      and arrays: each image's statistic, its score in standard deviations of its class, the threshold of each class.
    """
    before, after = clean_logits.argmax(axis=1), deciding.argmax(axis=1)
    errors = after != y
    success = errors & (before == y) if how.only_right_before else errors
    content, arrays = {}, {"success": success}
    any_clean, any_attacked = np.zeros(len(y), bool), np.zeros(len(y), bool)
    for name, detector in detectors.items():
        clean, attacked = detector.rejects(clean_logits, before), detector.rejects(logits, after)
        any_clean, any_attacked = any_clean | clean, any_attacked | attacked
        scores = detector.score(clean_logits, before), detector.score(logits, after)
        rows_fault = how.kl_rows_within_success and name == "kl"
        of_classes = detector, logits, after, success, rows_fault
        content[name] = _rates(clean, attacked, errors, success) | {
            "training_rate": detector.training_rate,
            "tp_class_averaged": class_averaged(*of_classes),
            "tp_class_averaged_error": class_averaged_error(*of_classes),
            "auroc": auroc(scores[0], scores[1][success]),
            "true_rate_at": {str(f): true_rate_at(f, scores[0], scores[1][success]) for f in FALSE_RATES},
        }
        arrays |= {f"{name}_score_clean": scores[0], f"{name}_score_attacked": scores[1]}
        arrays[f"{name}_clean"] = detector.statistic(clean_logits, before)
        arrays[f"{name}_attacked"] = detector.statistic(logits, after)
        arrays[f"{name}_thresholds"] = detector.thresholds
    result = {
        "n": len(y),
        "successes": rate(success.sum(), len(y)),
        "errors": rate(errors.sum(), len(y)),
        "union": _rates(any_clean, any_attacked, errors, success),
        "detectors": content,
    }
    return result, arrays


def _rates(clean, attacked, errors, success) -> dict:
    n = len(clean)
    return {
        "fp": rate(clean.sum(), n),
        "tp": rate(np.sum(attacked & success), success.sum()),
        "unnoticed_errors": rate(np.sum(errors & ~attacked), n),
    }
