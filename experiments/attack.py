"""`fgsm`: accuracy of classifiers under attack, over a grid of budgets, beside the paper's."""

import argparse
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from attacks import fgsm
from attacks.registry import ATTACKS, Attack
from data.registry import DATASETS
from experiments import report
from experiments.batches import run as run_batches
from experiments.clean import ATTACK, EVALUATION, FRESH, compiled_logits, examples, measure_clean, noise_seed
from experiments.context import Context, open_context
from experiments.errors import UsageError
from experiments.intervals import percent, rate
from experiments.progress import bar, say
from experiments.victims import Victim, chosen_victims, keras_victim

FRESH_DRAWS, FRESH_CHECKED = 20, 25
_GRADIENT_COST, _FRESH_COST = 3, 12  # of a gradient and of a success checked, in evaluations: for the progress bar


def run(options: argparse.Namespace) -> int:
    context = open_context(options)
    attacked = attack_victims(context, ATTACKS[options.command], victims_of(context))
    report.show(context.store, [result for _, results in attacked for result in results])
    return 0


def attack_victims(
    context: Context, attack: Attack, victims: list[tuple[str, Callable[[], Victim]]], needed: frozenset = frozenset()
) -> list[tuple[Victim, list[dict]]]:
    """Each victim with its results: clean, then one for each eps of the grid.

    Args:
      victims: (name, loader) of each.
      needed: arrays that must be stored with every result ("logits", "x_adv"); results without them are made again.
    """
    o = context.options
    needed |= {"x_adv"} if o.save else frozenset()
    grid = sorted(set(o.eps or DATASETS[context.dataset].eps_grid))
    per_victim = attack_cost(len(context.images), len(grid))
    attacked = []
    with bar(per_victim * len(victims)) as progress:
        for k, (name, load) in enumerate(victims):
            progress.describe(name)
            victim = load()
            attacked.append((victim, attack_victim(context, victim, attack, grid, progress.advance, needed)))
            progress.rewind(per_victim * (k + 1))
    return attacked


def attack_cost(n: int, budgets: int) -> float:
    """What `attack_victim` advances by, in evaluations of an image."""
    return n * (_GRADIENT_COST + 1 + budgets) + budgets * _FRESH_COST * min(n, FRESH_CHECKED)


def victims_of(context: Context) -> list[tuple[str, Callable[[], Victim]]]:
    """(name, loader) of every victim; what can be refused is refused before any work is done."""
    o = context.options
    if o.victim_model:
        victim = keras_victim(o.victim_model, context.dataset)
        return [(victim.name, lambda: victim)]
    return chosen_victims(o, context.dataset, context.protocol)


def attack_victim(
    context: Context, victim: Victim, attack: Attack, grid, advance=lambda n: None, needed: frozenset[str] = frozenset()
) -> list[dict]:
    """Measures one victim clean and at every eps of the grid; results that exist are kept. Returns the results."""
    o, images = context.options, context.images
    logits = compiled_logits(victim, images.x.shape[1:], context.batch_size)
    clean = measure_clean(context, victim, logits, advance, bool(needed))
    labels = _targets(context) if o.targeted else images.y
    results, step = [clean], None
    for eps in grid:
        settings = {"attack": attack.name, "victim": victim.name, "eps": eps, "targeted": o.targeted}
        settings |= context.settings() | victim.settings
        found = None if o.fresh else context.store.read(settings)
        if found and needed and not needed <= context.store.arrays(found).keys():
            found = None
        if found is None:
            if step is None:
                step = _direction(context, victim, labels, advance)
            found = _measure(context, victim, logits, settings, labels, clean, step, advance, "x_adv" in needed)
        results.append(found)
    say(
        f"{victim.name}: clean {percent(clean['accuracy'])} %, "
        + ", ".join(f"eps {r['settings']['eps']:g}: {percent(r['accuracy'])} %" for r in results[1:])
    )
    return results


def _targets(context: Context) -> np.ndarray:
    """A wrong label for every image, drawn by (seed, image position)."""
    classes = DATASETS[context.dataset].classes
    images = context.images
    shift = [np.random.default_rng([context.options.seed, i]).integers(1, classes) for i in images.index]
    return (images.y + np.array(shift)) % classes


def _direction(context: Context, victim: Victim, labels, advance) -> dict:
    """FGSM's direction for all images as int8, and the seconds it took."""
    images, size = context.images, context.batch_size
    seed = noise_seed(context.options.seed, ATTACK)
    loss, targeted = context.protocol.loss, context.options.targeted

    @tf.function
    def direction(x, y, index):
        return fgsm.direction(lambda v: victim.logits(v, index, seed), x, y, loss, targeted)

    start = time.monotonic()
    arrays = (images.x, labels.astype(np.int32), images.index.astype(np.int32))
    values = run_batches(
        lambda *batch: direction(*batch).numpy().astype(np.int8), arrays, size, lambda n: advance(n * _GRADIENT_COST)
    )
    return {"values": values, "seconds": time.monotonic() - start}


def _measure(context: Context, victim: Victim, logits, settings, labels, clean, step, advance, save: bool) -> dict:
    o, images = context.options, context.images
    start, index = time.monotonic(), images.index.astype(np.int32)
    eps = settings["eps"]
    adversarial = fgsm.perturb(images.x, step["values"].astype(np.float32), eps).numpy()
    evaluation = noise_seed(o.seed, EVALUATION)
    outputs = run_batches(lambda x, i: logits(x, i, evaluation), (adversarial, index), context.batch_size, advance)
    predictions = outputs.argmax(axis=1)
    right_before = np.array(clean["predictions"]) == images.y
    success = predictions == labels if o.targeted else predictions != images.y
    n = len(images)
    fresh_draws = _survival(context, victim, logits, adversarial, labels, success & right_before)
    advance(_FRESH_COST * min(n, FRESH_CHECKED))
    content = {
        "n": n,
        "accuracy": rate(np.sum(predictions == images.y), n),
        "success_all_images": rate(success.sum(), n),
        "success_right_before": rate(np.sum(success & right_before), right_before.sum()),
        "fresh_draws": fresh_draws,
        "perturbation": _perturbation(images.x, adversarial, success),
        "audit": _audit(images.x, adversarial, eps),
        "zero_gradient": rate(np.sum(~step["values"].reshape(n, -1).any(axis=1)), n),
        "predictions": predictions.tolist(),
        "seconds": {"gradient": step["seconds"], "evaluation": time.monotonic() - start},
    }
    arrays = examples(adversarial, index) | {"logits": outputs}
    if save:
        arrays |= {"x_adv": adversarial, "y": images.y, "y_attacked": labels, "index": index}
    return context.store.write(settings, content, arrays)


def _survival(context: Context, victim: Victim, logits, adversarial, labels, success) -> dict | None:
    """How many of at most 25 successes still succeed in the majority of 20 fresh draws of the victim's noise."""
    if not victim.stochastic:
        return None
    hits = np.flatnonzero(success)
    m = min(FRESH_CHECKED, len(hits))
    chosen = hits[np.arange(m) * len(hits) // max(m, 1)]  # spread: the first ones may all be of one class
    wins = np.zeros(len(chosen), int)
    index = context.images.index.astype(np.int32)
    open_cases = np.arange(len(chosen))
    for draw in range(FRESH_DRAWS):
        if not len(open_cases):
            break
        rows, seed = chosen[open_cases], noise_seed(context.options.seed, FRESH + draw)
        outputs = run_batches(
            lambda x, i, s=seed: logits(x, i, s), (adversarial[rows], index[rows]), context.batch_size
        )
        hit = outputs.argmax(axis=1) == labels[rows]
        wins[open_cases] += hit if context.options.targeted else ~hit
        losses = draw + 1 - wins[open_cases]
        open_cases = open_cases[(wins[open_cases] <= FRESH_DRAWS // 2) & (losses < FRESH_DRAWS // 2)]
    return {"draws": FRESH_DRAWS, "survived": rate(np.sum(wins > FRESH_DRAWS // 2), len(chosen))}


def _perturbation(x, adversarial, success) -> dict:
    """Mean and standard deviation over successes of L2, Linf and L0 (pixels moved), in pixel scale [0, 1]."""
    delta = (adversarial - x).reshape(len(x), -1)[success]
    if not len(delta):
        return {"n": 0}
    norms = {
        "l2": np.linalg.norm(delta, axis=1),
        "linf": np.abs(delta).max(axis=1),
        "l0": np.count_nonzero(delta, axis=1),
    }
    return {"n": len(delta)} | {k: {"mean": float(v.mean()), "std": float(v.std())} for k, v in norms.items()}


def _audit(x, adversarial, eps: float) -> dict:
    """What an attack must not exceed: largest change and pixel range over all images.

    Raises:
      UsageError: an adversarial image leaves its budget, the pixel range, or is not finite: no such result is stored.
    """
    audit = {
        "max_change": float(np.abs(adversarial - x).max()),
        "min_pixel": float(adversarial.min()),
        "max_pixel": float(adversarial.max()),
        "not_finite": int((~np.isfinite(adversarial)).sum()),
    }
    if audit["not_finite"] or audit["min_pixel"] < 0 or audit["max_pixel"] > 1 or audit["max_change"] > eps + 1e-6:
        raise UsageError(f"the adversarial images at eps {eps:g} break their bounds: {audit}; nothing was stored")
    return audit
