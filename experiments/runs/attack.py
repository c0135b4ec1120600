"""`fgsm`, `pgd`, `cw` and all of the registry: accuracy of classifiers under attack over a grid, beside the paper's."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from deepbayes.attacks.registry import ATTACKS, GRADIENT
from deepbayes.attacks.target import Target
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.calibration import differentiable, fit_detectors
from deepbayes.experiments.measurements.clean_accuracy import (
    ATTACK,
    EVALUATION,
    compiled_logits,
    examples,
    measure_clean,
    noise_seed,
)
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.craft import build_craft, cost, craft_all
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.metrics import FRESH_CHECKED, audit, perturbation, succeeded, survival
from deepbayes.experiments.measurements.progress import bar, say
from deepbayes.experiments.measurements.victims import DROP, Victim, check_logits, chosen_victims, keras_victim
from deepbayes.experiments.reporting import report
from deepbayes.experiments.settings.attack_plan import Plan, plan_of, value_of
from deepbayes.experiments.settings.errors import UsageError


@dataclass(frozen=True)
class Through:
    """Somebody else whom the attack is made against, before the images are moved to the victim.

    Attributes:
      source: the one attacked. settings: what identifies it in a result, with its kind.
      facts: (adversarial images) -> what a result holds beside what is measured on the victim.
    """

    source: Victim
    settings: dict
    facts: Callable[[np.ndarray], dict]


_FRESH_COST = 12  # of a success that is checked, in evaluations: for the progress bar


def run(options: argparse.Namespace) -> int:
    context = open_context(options)
    plan = plan_of(options, ATTACKS[options.command], context.dataset)
    attacked = attack_victims(context, plan, victims_of(context))
    report.show(context.store, [result for _, results in attacked for result in results])
    return 0


def attack_victims(
    context: Context, plan: Plan, victims: list[tuple[str, Callable[[], Victim]]], needed: frozenset = frozenset()
) -> list[tuple[Victim, list[dict]]]:
    """Each victim with its results: clean, then one for each value of the grid.

    Args:
      victims: (name, loader) of each.
      needed: arrays that must be stored with every result ("logits", "x_adv"); results without them are made again.
    """
    per_victim = attack_cost(plan, len(context.images))
    if cost(plan) > 1000:
        say(f"{plan.attack.name}: {cost(plan):,.0f} evaluations an image and {plan.attack.parameter}")
    attacked = []
    with bar(per_victim * len(victims)) as progress:
        for k, (name, load) in enumerate(victims):
            progress.describe(name)
            victim = load()
            attacked.append((victim, attack_victim(context, victim, plan, progress.advance, needed)))
            progress.rewind(per_victim * (k + 1))
    return attacked


def attack_cost(plan: Plan, n: int) -> float:
    """What `attack_victim` advances by, in evaluations of an image."""
    return n * (1 + len(plan.grid) * (cost(plan) + 1)) + len(plan.grid) * _FRESH_COST * min(n, FRESH_CHECKED)


def victims_of(context: Context) -> list[tuple[str, Callable[[], Victim]]]:
    """(name, loader) of every victim; what can be refused is refused before any work is done."""
    o = context.options
    if o.victim_model:
        victim = keras_victim(o.victim_model, context.dataset)
        return [(victim.name, lambda: victim)]
    return chosen_victims(o, context.dataset, context.protocol)


def target_of(context: Context, victim: Victim, plan: Plan) -> tuple[Target, dict]:
    """The victim as the attack sees it; where the attack evades detectors, with them and what their thresholds are.

    Raises:
      UsageError: the victim has no such detector.
    """
    classes, detectors, settings = DATASETS[context.dataset].classes, {}, {}
    statistic = plan.options.get("statistic", "none")
    if plan.attack.evades_detectors and victim.snapshot is None:
        raise UsageError(f"{plan.attack.name} needs the logits of each sample, which {victim.name} does not have")
    if statistic != "none":
        fitted, how = fit_detectors(context, victim)
        if statistic not in fitted:
            raise UsageError(f"{victim.name} has no {statistic} detector to evade: --statistic {' or '.join(fitted)}")
        detectors, settings = differentiable(fitted), {"evades": how}
    if victim.cheap_logits is None or plan.attack.needs != GRADIENT or context.protocol.full_gradient:
        return Target(victim.logits, classes, victim.snapshot, detectors), settings
    if plan.full_gradient:
        return Target(victim.logits, classes, victim.snapshot, detectors), settings | {"full_gradient": True}
    cheap = Target(victim.cheap_logits, classes, victim.cheap_snapshot, detectors)
    return cheap, settings | {"gradient_drops": DROP}


def attack_victim(
    context: Context, victim: Victim, plan: Plan, advance=lambda n: None, needed: frozenset[str] = frozenset(),
    quiet: bool = False, through: Through | None = None,
) -> list[dict]:  # fmt: skip
    """Measures one victim clean and at every value of the grid; results that exist are kept. Returns the results."""
    o, images = context.options, context.images
    needed |= {"x_adv"} if o.save else frozenset()
    logits = compiled_logits(victim, images.x.shape[1:], context.batch_size)
    clean = measure_clean(context, victim, logits, advance, bool(needed))
    labels = _targets(context) if plan.targeted else images.y
    target, identity = target_of(context, through.source if through else victim, plan)
    identity |= {"through": through.settings} if through else {}
    if plan.options.get("crosstalk") == "yes":  # the images of a batch then see each other
        identity |= {"batch_size": context.batch_size}
    results, craft, role = [clean], None, EVALUATION if plan.known_noise else ATTACK
    for value in plan.grid:
        settings = plan.settings(value) | {"victim": victim.name} | context.settings() | victim.settings | identity
        found = None if o.fresh else context.store.read(settings)
        if found and not needed <= context.store.arrays(found).keys():
            found = None
        if found is None:
            craft = craft or build_craft(plan, target)
            partial = context.store.partial(settings)
            if o.fresh:
                partial.unlink(missing_ok=True)
            adversarial, seconds = craft_all(
                craft, plan, images, labels, value, int(noise_seed(o.seed, role)), context.batch_size,
                partial=partial, advance=advance,
            )  # fmt: skip
            found = measure(
                context, victim, logits, plan, settings, labels, clean, adversarial, seconds, "x_adv" in needed,
                advance, through.facts(adversarial) if through else {},
            )  # fmt: skip
            partial.unlink(missing_ok=True)
        results.append(found)
    if quiet:
        return results
    parameter = plan.attack.parameter
    say(
        f"{victim.name}: clean {percent(clean['accuracy'])} %, "
        + ", ".join(f"{parameter} {value_of(r['settings']):g}: {percent(r['accuracy'])} %" for r in results[1:])
    )
    return results


def _targets(context: Context) -> np.ndarray:
    """A wrong label for every image, drawn by (seed, image position)."""
    classes = DATASETS[context.dataset].classes
    images = context.images
    shift = [np.random.default_rng([context.options.seed, i]).integers(1, classes) for i in images.index]
    return (images.y + np.array(shift)) % classes


def measure(
    context: Context, victim: Victim, logits, plan: Plan, settings: dict, labels, clean: dict, adversarial,
    seconds: float, save: bool, advance=lambda n: None, extra: dict | None = None,
) -> dict:  # fmt: skip
    """Evaluates adversarial images on a victim with noise of another role than the attack's, and stores the result.

    Args:
      logits: the victim's compiled function. labels: attacked ones. seconds: that the images took.
      save: whether the images are stored. extra: of the result, beside what is measured here.
    """
    o, images = context.options, context.images
    start, index, value = time.monotonic(), images.index.astype(np.int32), value_of(settings)
    bounds = audit(images.x, adversarial, plan.attack.norm, value)
    evaluation = noise_seed(o.seed, EVALUATION)
    outputs = run_batches(lambda x, i: logits(x, i, evaluation), (adversarial, index), context.batch_size, advance)
    check_logits(outputs, len(images), outputs.shape[1], f"{victim.name} under {plan.attack.name}")
    predictions = outputs.argmax(axis=1)
    right_before = np.array(clean["predictions"]) == images.y
    success = succeeded(predictions, labels, images.y, plan.targeted)
    n, hits = len(images), success & right_before
    counted = hits if context.protocol.detection.only_right_before else success
    fresh = survival(victim, logits, adversarial, labels, hits, index, o.seed, context.batch_size, plan.targeted)
    advance(_FRESH_COST * min(n, FRESH_CHECKED))
    unmoved = ~(adversarial != images.x).reshape(n, -1).any(axis=1)
    content = {
        "n": n,
        "accuracy": rate(np.sum(predictions == images.y), n),
        "success_all_images": rate(success.sum(), n),
        "success_right_before": rate(hits.sum(), right_before.sum()),
        "fresh_draws": fresh,
        "perturbation": perturbation(images.x, adversarial, counted),
        "audit": bounds,
        "unmoved": rate(unmoved.sum(), n),
        "predictions": predictions.tolist(),
        "seconds": {"attack": seconds, "evaluation": time.monotonic() - start},
    }
    arrays = examples(adversarial) | {"logits": outputs}
    # kept, too, where another process, or an earlier run, has saved them
    if save or "x_adv" in context.store.arrays({"settings": settings}):
        arrays |= {"x_adv": adversarial, "y": images.y, "y_attacked": labels, "index": index}
    return context.store.write(settings, content | (extra or {}), arrays)
