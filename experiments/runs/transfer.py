"""`transfer`: every classifier's adversarial images on every other (paper, A.3, Figures A.4 and A.5)."""

import numpy as np

from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.progress import bar, step_done
from deepbayes.experiments.runs.attack import AttackRun, Evaluation, attack_all
from deepbayes.experiments.settings.attack_plan import Plan, plan_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.classifier import Classifier


def run(settings: RunSettings) -> list[dict]:
    """White-box results of every classifier, and those of every other pair.

    Raises:
      UsageError: fewer than two classifiers.
    """
    context = open_context(settings)
    plan = plan_of(settings.attack, context.dataset, context.protocol.name)
    victims = [load() for _, load in context.classifiers()]
    if len(victims) < 2:
        raise UsageError("a transfer matrix needs at least two --classifiers")
    return matrix(context, plan, victims)


def matrix(context: Context, plan: Plan, victims: list[Classifier]) -> list[dict]:
    """White-box results of every victim, and for every other pair one of images crafted on `source`."""
    loaders = [(v.name, lambda v=v: v) for v in victims]
    attacked = attack_all(context, plan, loaders, frozenset({"x_adv"}))
    results = [result for _, found in attacked for result in found]
    pairs = len(victims) * (len(victims) - 1) * len(plan.grid)
    with bar(pairs * len(context.images), "transfer") as progress:
        for victim, _ in attacked:
            own = AttackRun(context, victim, plan, advance=progress.advance)
            evaluation = Evaluation(context, victim, plan, own.labels, own.clean, progress.advance)
            for source, (_, *found) in attacked:
                if source is not victim:
                    results += [_moved(evaluation, source, crafted) for crafted in found]
            step_done(f"{victim.name}: evaluated on the images of the other source models")
    return results


def _moved(evaluation: Evaluation, source: Classifier, crafted: dict) -> dict:
    """The stored result of images crafted on the source model and evaluated on the victim, or a new one."""
    context, victim = evaluation.context, evaluation.victim
    attack = {k: v for k, v in crafted["settings"].items() if k not in source.settings}
    settings = attack | {"victim": victim.name} | victim.settings
    settings["through"] = {"kind": "transfer", "source": source.name, "settings": source.settings}
    found = None if context.fresh else context.store.read(settings)
    if found is None:
        stored = context.store.arrays(crafted)
        moved = Evaluation(
            context, victim, evaluation.plan, np.asarray(stored["y_attacked"]), evaluation.clean,
            evaluation.advance,
        )  # fmt: skip
        found = moved.store(settings, stored["x_adv"], crafted["seconds"]["attack"], save=False)
    return found
