"""`greybox`, `blackbox`: attacks on a student, moved to the victim whose gradient is not known (paper, F.11-F.22)."""

import argparse
import dataclasses

import numpy as np
from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.calibration import fit_detectors
from deepbayes.experiments.measurements.clean_accuracy import ATTACK, compiled_logits, measure_clean, noise_seed
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.measurements.surrogate_models import Student, agreement, black_box_student, grey_box_student
from deepbayes.experiments.measurements.victims import Victim
from deepbayes.experiments.reporting import report
from deepbayes.experiments.reporting.detection_tables import USUAL_FPR
from deepbayes.experiments.runs.attack import Through, attack_cost, attack_victim, victims_of
from deepbayes.experiments.runs.detect import arrays_needed, detect
from deepbayes.experiments.settings.attack_plan import Plan, plan_of, value_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.results import settings_hash

MAKERS = {"greybox": grey_box_student, "blackbox": black_box_student}


def run(options: argparse.Namespace) -> int:
    if options.fpr != USUAL_FPR and not options.detect:
        raise UsageError("--fpr is of the detectors: add --detect")
    context = open_context(options)
    plan = plan_of(options, ATTACKS[options.attack], context.dataset)
    results, loaders = [], victims_of(context)
    for _, load in loaders:
        victim = load()
        fitted = fit_detectors(context, victim) if options.detect else None  # first: thresholds see no attack
        student = MAKERS[options.command](context, victim)
        judged = _judged(context, student)
        needed = arrays_needed(context) if options.detect else frozenset()
        with bar(attack_cost(plan, len(judged.images)), victim.name) as progress:
            found = attack_through(judged, victim, student, plan, progress.advance, needed)
        results += found
        results += detect(judged, victim, victim, fitted, found) if fitted else []
    report.show(context.store, results)
    return 0


def _judged(context: Context, student: Student) -> Context:
    """The context without the images that the student grew from; 2019 leaves them in."""
    kept = ~np.isin(context.images.index, student.left_out)
    if kept.all() or not context.protocol.leave_out_seeds:
        return context
    if not kept.any():
        raise UsageError("every attacked image is one that the substitute grew from: fewer --seeds-per-class")
    which = settings_hash({"index": context.images.index[~kept].tolist()})[:6]
    left_out = f"without {np.sum(~kept)} seed images, {which}"
    return dataclasses.replace(context, images=context.images.take(kept), left_out=left_out)


def attack_through(
    context: Context, victim: Victim, student: Student, plan: Plan, advance=lambda n: None,
    needed: frozenset[str] = frozenset(),
) -> list[dict]:  # fmt: skip
    """The victim's clean result, then one for each value of the grid: images made against the student.

    Args:
      needed: arrays to store, as in `attack_victim`.
    """
    images, size = context.images, context.batch_size
    logits, student_logits = (compiled_logits(v, images.x.shape[1:], size) for v in (victim, student.victim))
    clean = measure_clean(context, victim, logits)
    index, seed = images.index.astype(np.int32), noise_seed(context.options.seed, ATTACK)

    def labels_of(x):
        return run_batches(lambda v, i: student_logits(v, i, seed), (x, index), size).argmax(axis=1)

    def right(x):
        return rate(np.sum(labels_of(x) == images.y), len(images))

    made = student.card["settings"]
    facts = {"queries": student.card["queries"], "agreement": agreement(labels_of(images.x), clean["predictions"])}
    facts["clean"] = right(images.x)
    identity = {"kind": made["kind"], "weights_sha256": student.victim.settings["weights_sha256"]}
    identity["student_images"] = made.get("seeds", made.get("images"))
    through = Through(student.victim, identity, lambda x: {"student": facts | {"accuracy": right(x)}})
    results = attack_victim(context, victim, plan, advance, needed, quiet=True, through=through)
    parameter, found = plan.attack.parameter, results[1:]
    by_value = ", ".join(f"{parameter} {value_of(r['settings']):g}: {percent(r['accuracy'])} %" for r in found)
    say(f"{victim.name}: its student agrees on {percent(facts['agreement'])} %; the victim's accuracy {by_value}")
    return results
