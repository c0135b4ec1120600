"""`greybox`, `blackbox`: attacks on a student, moved to the victim whose gradient is not known (paper, F.11-F.22)."""

import argparse
import dataclasses

import numpy as np

from attacks.registry import ATTACKS
from experiments import report
from experiments.attack import measure, target_of, victims_of
from experiments.batches import run as run_batches
from experiments.clean import ATTACK, compiled_logits, measure_clean, noise_seed
from experiments.context import Context, open_context
from experiments.crafting import build_craft, craft_all
from experiments.errors import UsageError
from experiments.intervals import percent, rate
from experiments.plan import Plan, plan_of, value_of
from experiments.progress import say
from experiments.results import settings_hash
from experiments.students import Student, agreement, black_box_student, grey_box_student
from experiments.victims import Victim

MAKERS = {"greybox": grey_box_student, "blackbox": black_box_student}


def run(options: argparse.Namespace) -> int:
    context = open_context(options)
    plan = plan_of(options, ATTACKS[options.attack], context.dataset)
    results = []
    for _, load in victims_of(context):
        victim = load()
        student = MAKERS[options.command](context, victim)
        results += attack_through(_judged(context, student), victim, student, plan)
    report.show(context.store, results)
    return 0


def _judged(context: Context, student: Student) -> Context:
    """The context without the images that the student grew from; 2019 leaves them in."""
    kept = ~np.isin(context.images.index, student.left_out)
    if kept.all() or not context.protocol.leave_out_seeds:
        return context
    if not kept.any():
        raise UsageError("every attacked image is one that the substitute grew from: fewer --seeds-per-class")
    left_out = settings_hash({"index": context.images.index[~kept].tolist()})
    return dataclasses.replace(context, images=context.images.take(kept), left_out=left_out)


def attack_through(context: Context, victim: Victim, student: Student, plan: Plan) -> list[dict]:
    """The victim's clean result, then one for each value of the grid: images made against the student."""
    o, images = context.options, context.images
    shape, size, index = images.x.shape[1:], context.batch_size, images.index.astype(np.int32)
    logits, student_logits = compiled_logits(victim, shape, size), compiled_logits(student.victim, shape, size)
    clean = measure_clean(context, victim, logits)
    seed = noise_seed(o.seed, ATTACK)

    def student_labels(x):
        return run_batches(lambda v, i: student_logits(v, i, seed), (x, index), size).argmax(axis=1)

    kind = student.card["settings"]["kind"]
    facts = {"queries": student.card["queries"], "agreement": agreement(student_labels(images.x), clean["predictions"])}
    facts["clean"] = rate(np.sum(student_labels(images.x) == images.y), len(images))
    results, craft = [clean], None
    for value in plan.grid:
        settings = plan.settings(value) | {"victim": victim.name} | context.settings() | victim.settings
        settings["through"] = {"kind": kind, "weights_sha256": student.victim.settings["weights_sha256"]}
        found = None if o.fresh else context.store.read(settings)
        if found is None:
            craft = craft or build_craft(plan, target_of(context, student.victim, plan)[0])
            adversarial, seconds = craft_all(craft, plan, images, images.y, value, int(seed), size)
            own = rate(np.sum(student_labels(adversarial) == images.y), len(images))
            found = measure(
                context, victim, logits, plan, settings, images.y, clean, adversarial, seconds, o.save,
                extra={"student": facts | {"accuracy": own}},
            )  # fmt: skip
        results.append(found)
    parameter = plan.attack.parameter
    say(
        f"{victim.name} ({kind}): the student agrees on {percent(facts['agreement'])} %; the victim's accuracy "
        + ", ".join(f"{parameter} {value_of(r['settings']):g}: {percent(r['accuracy'])} %" for r in results[1:])
    )
    return results
