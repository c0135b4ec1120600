"""`transfer`: every classifier's adversarial images on every other (paper, A.3, Figures A.4 and A.5)."""

import argparse

import numpy as np
from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.measurements.clean_accuracy import compiled_logits
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.progress import bar
from deepbayes.experiments.measurements.victims import Victim
from deepbayes.experiments.reporting import report
from deepbayes.experiments.runs.attack import attack_victims, measure, victims_of
from deepbayes.experiments.settings.attack_plan import Plan, plan_of
from deepbayes.experiments.settings.errors import UsageError


def run(options: argparse.Namespace) -> int:
    context = open_context(options)
    plan = plan_of(options, ATTACKS[options.attack], context.dataset)
    victims = [load() for _, load in victims_of(context)]
    if len(victims) < 2:
        raise UsageError("a transfer matrix needs at least two --classifiers")
    results = matrix(context, plan, victims)
    report.show(context.store, results)
    return 0


def matrix(context: Context, plan: Plan, victims: list[Victim]) -> list[dict]:
    """White-box results of every victim, and for every other pair one of images made against `source`."""
    loaders = [(v.name, lambda v=v: v) for v in victims]
    attacked = attack_victims(context, plan, loaders, frozenset({"x_adv"}))
    results = [result for _, found in attacked for result in found]
    pairs = len(victims) * (len(victims) - 1) * len(plan.grid)
    with bar(pairs * len(context.images), "transfer") as progress:
        for victim, (clean, *_) in attacked:
            logits = compiled_logits(victim, context.images.x.shape[1:], context.batch_size)
            for source, (_, *found) in attacked:
                if source is not victim:
                    results += [_cell(context, plan, victim, logits, clean, source, r, progress.advance) for r in found]
    return results


def _cell(
    context: Context, plan: Plan, victim: Victim, logits, clean: dict, source: Victim, made: dict, advance
) -> dict:
    settings = made["settings"] | {"victim": victim.name} | victim.settings
    settings["through"] = {"kind": "transfer", "source": source.name, "settings": source.settings}
    found = None if context.options.fresh else context.store.read(settings)
    if found is None:
        stored = context.store.arrays(made)
        labels = np.asarray(stored["y_attacked"])
        found = measure(
            context,
            victim,
            logits,
            plan,
            settings,
            labels,
            clean,
            stored["x_adv"],
            made["seconds"]["attack"],
            False,
            advance,
        )
    return found
