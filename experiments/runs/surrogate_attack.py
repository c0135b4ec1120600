"""`greybox`, `blackbox`: attacks crafted on a surrogate, evaluated on a victim of unknown gradient (F.11-F.22)."""

import dataclasses
from collections.abc import Callable

import numpy as np

from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.noise_roles import ATTACK, noise_seed
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.preparation.detectors import fit_detectors
from deepbayes.experiments.preparation.surrogate_models import Student, agreement, black_box_student, grey_box_student
from deepbayes.experiments.runs.attack import AttackRun, Source, attack_cost
from deepbayes.experiments.runs.detect import arrays_needed, detect
from deepbayes.experiments.settings.attack_plan import plan_of, value_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import USUAL_FALSE_RATE, RunSettings
from deepbayes.experiments.store.results import settings_hash


def run_greybox(settings: RunSettings) -> list[dict]:
    """Attacks on a surrogate that is distilled from the victim's probabilities."""
    return _run(settings, grey_box_student)


def run_blackbox(settings: RunSettings) -> list[dict]:
    """Attacks on a substitute that grows by queries."""
    return _run(settings, black_box_student)


def _run(settings: RunSettings, make_surrogate: Callable) -> list[dict]:
    detecting = settings.surrogate.detect
    if settings.detection.rate != USUAL_FALSE_RATE and not detecting:
        raise UsageError("--fpr is of the detectors: add --detect")
    context = open_context(settings)
    plan = plan_of(settings.attack, context.dataset, context.protocol.name)
    results = []
    for _, load in context.classifiers():
        victim = load()
        fitted = fit_detectors(context, victim) if detecting else None  # first: thresholds see no attack
        surrogate = make_surrogate(context, victim)
        judged = _judged(context, surrogate)
        needed = arrays_needed(context) if detecting else frozenset()
        with bar(attack_cost(plan, len(judged.images)), victim.name) as progress:
            attack = AttackRun(judged, victim, plan, needed, advance=progress.advance, quiet=True)
            found = attack_through(attack, surrogate)
        results += found
        results += detect(judged, victim, victim, fitted, found) if fitted else []
    return results


def _judged(context: Context, student: Student) -> Context:
    """The context without the images that the surrogate grew from; 2019 leaves them in."""
    kept = ~np.isin(context.images.index, student.left_out)
    if kept.all() or not context.protocol.leave_out_seeds:
        return context
    if not kept.any():
        raise UsageError("every attacked image is one that the substitute grew from: fewer --seeds-per-class")
    which = settings_hash({"index": context.images.index[~kept].tolist()})[:6]
    left_out = f"without {np.sum(~kept)} seed images, {which}"
    return dataclasses.replace(context, images=context.images.take(kept), left_out=left_out)


def attack_through(attack: AttackRun, student: Student) -> list[dict]:
    """The victim's clean result, then one for each value of the grid: images crafted on the surrogate model.

    Args:
      attack: on the victim, without a source model.
    """
    context, images = attack.context, attack.context.images
    size = context.batch_size(student.classifier)
    logits = student.classifier.graph_of("logits")
    index, seed = images.index.astype(np.int32), noise_seed(context.seed, ATTACK)

    def labels_of(x):
        return run_batches(lambda v, i: logits(v, i, seed), (x, index), size).argmax(axis=1)

    def right(x):
        return rate(np.sum(labels_of(x) == images.y), len(images))

    trained = student.card["settings"]
    agrees = agreement(labels_of(images.x), attack.clean["predictions"])
    facts = {"queries": student.card["queries"], "agreement": agrees, "clean": right(images.x)}
    identity = {"kind": trained["kind"], "weights_sha256": student.classifier.settings["weights_sha256"]}
    identity["student_images"] = trained.get("seeds", trained.get("images"))
    source = Source(student.classifier, identity, lambda x: {"student": facts | {"accuracy": right(x)}})
    results = dataclasses.replace(attack, source=source).results()
    name, parameter = attack.victim.name, attack.plan.attack.parameter
    by_value = ", ".join(f"{parameter} {value_of(r['settings']):g}: {percent(r['accuracy'])} %" for r in results[1:])
    say(f"{name}: its surrogate agrees on {percent(agrees)} %; the victim's accuracy {by_value}")
    return results
