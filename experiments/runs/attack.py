"""`fgsm`, `pgd`, `cw` and all of the registry: accuracy of classifiers under attack over a grid."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from deepbayes.attacks.registry import GRADIENT
from deepbayes.attacks.target import Target
from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.clean_accuracy import examples, measure_clean
from deepbayes.experiments.measurements.context import Context, Loader, open_context
from deepbayes.experiments.measurements.craft import Crafting, build_craft, cost, remove_partial
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.metrics import FRESH_CHECKED, audit, perturbation, succeeded, survival
from deepbayes.experiments.measurements.noise_roles import ATTACK, EVALUATION, noise_seed
from deepbayes.experiments.measurements.progress import bar, say, step_done
from deepbayes.experiments.preparation.detectors import differentiable, fit_detectors
from deepbayes.experiments.settings.attack_plan import Plan, plan_of, value_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.baselines.keras_model import check_logits
from deepbayes.models.classifier import Classifier


@dataclass(frozen=True)
class Source:
    """The source model: adversarial images are crafted on it and evaluated on the victim.

    Attributes:
      settings: what identifies it in a result, with its kind.
      facts: (adversarial images) -> what a result holds beside what is measured on the victim.
    """

    classifier: Classifier
    settings: dict
    facts: Callable[[np.ndarray], dict]


_FRESH_COST = 12  # of a success that is checked, in evaluations: for the progress bar


def run(settings: RunSettings) -> list[dict]:
    """The results of every classifier: clean, then one for each value of the grid."""
    context = open_context(settings)
    plan = plan_of(settings.attack, context.dataset, context.protocol.name)
    attacked = attack_all(context, plan, context.classifiers())
    return [result for _, results in attacked for result in results]


def attack_all(
    context: Context, plan: Plan, loaders: list[Loader], needed: frozenset = frozenset()
) -> list[tuple[Classifier, list[dict]]]:
    """Each classifier with its results: clean, then one for each value of the grid.

    Args:
      needed: arrays that must be stored with every result ("logits", "x_adv"); results without them are made again.
    """
    each = attack_cost(plan, len(context.images))
    if cost(plan) > 1000:
        say(f"{plan.attack.name}: {cost(plan):,.0f} evaluations an image and {plan.attack.parameter}")
    attacked = []
    with bar(each * len(loaders)) as progress:
        for k, (name, load) in enumerate(loaders):
            progress.describe(name)
            victim = load()
            attack = AttackRun(context, victim, plan, needed, advance=progress.advance)
            attacked.append((victim, attack.results()))
            progress.rewind(each * (k + 1))
    return attacked


def attack_cost(plan: Plan, n: int) -> float:
    """What an AttackRun advances by, in evaluations of an image."""
    return n * (1 + len(plan.grid) * (cost(plan) + 1)) + len(plan.grid) * _FRESH_COST * min(n, FRESH_CHECKED)


@dataclass(frozen=True)
class Evaluation:
    """How adversarial images are measured on a victim, whoever made them.

    Attributes:
      labels: attacked ones. clean: the victim's clean result.
    """

    context: Context
    victim: Classifier
    plan: Plan
    labels: np.ndarray
    clean: dict
    advance: Callable[[float], None] = lambda n: None

    def store(self, settings: dict, adversarial, seconds: float, save: bool, extra: dict | None = None) -> dict:
        """Evaluates adversarial images with noise of another role than the attack's, and stores the result.

        Args:
          seconds: that the images took. save: whether the images are stored.
          extra: of the result, beside what is measured here.
        """
        c, plan, victim, labels = self.context, self.plan, self.victim, self.labels
        images, seed, size = c.images, c.seed, c.batch_size(victim)
        start, index, n = time.monotonic(), images.index.astype(np.int32), len(images)
        bounds = audit(images.x, adversarial, plan.attack.norm, value_of(settings))
        logits, evaluation = victim.graph_of("logits"), noise_seed(seed, EVALUATION)
        outputs = run_batches(lambda x, i: logits(x, i, evaluation), (adversarial, index), size, self.advance)
        check_logits(outputs, n, outputs.shape[1], f"{victim.name} under {plan.attack.name}")
        predictions = outputs.argmax(axis=1)
        right_before = np.array(self.clean["predictions"]) == images.y
        success = succeeded(predictions, labels, images.y, plan.targeted)
        hits = success & right_before
        counted = hits if c.protocol.detection.only_right_before else success
        fresh = survival(self, adversarial, hits) if victim.stochastic else None
        self.advance(_FRESH_COST * min(n, FRESH_CHECKED))
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
        if save or "x_adv" in c.store.arrays({"settings": settings}):
            arrays |= {"x_adv": adversarial, "y": images.y, "y_attacked": labels, "index": index}
        return c.store.write(settings, content | (extra or {}), arrays)


@dataclass(frozen=True)
class AttackRun:
    """An attack on one victim over the grid of its plan; results that exist are kept.

    Attributes:
      needed: arrays that must be stored with every result.
      source: the source model, where images are crafted on another than the victim.
    """

    context: Context
    victim: Classifier
    plan: Plan
    needed: frozenset[str] = frozenset()
    source: Source | None = None
    advance: Callable[[float], None] = field(default=lambda n: None)
    quiet: bool = False

    def results(self) -> list[dict]:
        """The clean result, then one for each value."""
        found, texts = [self.clean], [f"clean {percent(self.clean['accuracy'])} %"]
        for value in self.plan.grid:
            found.append(self.result(value))
            texts.append(f"{self.plan.attack.parameter} {value:g}: {percent(found[-1]['accuracy'])} %")
            if len(self.plan.grid) > 1:
                step_done(f"{self.victim.name}: {self.plan.attack.name}, {texts[-1]}")
        if not self.quiet:
            say(f"{self.victim.name}: {', '.join(texts)}")
        return found

    def result(self, value: float) -> dict:
        """The stored result at one value, or a new one, of all its ranges."""
        c, settings = self.context, self.settings(value)
        found = None if c.fresh else c.store.read(settings)
        if found and self._kept <= c.store.arrays(found).keys():
            return found
        partial = c.store.partial(settings)
        if c.fresh:
            remove_partial(partial)
        adversarial, seconds = self.crafting.all(value, partial, self.advance)
        evaluation = Evaluation(c, self.victim, self.plan, self.labels, self.clean, self.advance)
        extra = self.source.facts(adversarial) if self.source else {}
        result = evaluation.store(settings, adversarial, seconds, "x_adv" in self._kept, extra)
        remove_partial(partial)
        return result

    def craft_range(self, value: float, first: int, last: int) -> None:
        """Makes and keeps the images of one range; `result` takes them from there."""
        self.crafting.range(first, last, value, self.context.store.partial(self.settings(value)), self.advance)

    def settings(self, value: float) -> dict:
        """What identifies the result at one value."""
        c, (_, identity) = self.context, self._target
        own = self.plan.settings(value) | {"victim": self.victim.name} | c.settings() | self.victim.settings | identity
        own |= {"through": self.source.settings} if self.source else {}
        if self.plan.options.get("crosstalk") == "yes":  # the images of a batch then see each other
            own |= {"batch_size": c.batch_size(self.victim)}
        return own

    @cached_property
    def clean(self) -> dict:
        return measure_clean(self.context, self.victim, self.advance, bool(self._kept))

    @cached_property
    def labels(self) -> np.ndarray:
        return _targets(self.context) if self.plan.targeted else self.context.images.y

    @cached_property
    def crafting(self) -> Crafting:
        c, role = self.context, EVALUATION if self.plan.known_noise else ATTACK
        attacked = self.source.classifier if self.source else self.victim
        craft = build_craft(self.plan, self._target[0])
        return Crafting(craft, self.plan, c.images, self.labels, int(noise_seed(c.seed, role)), c.batch_size(attacked))

    @cached_property
    def _kept(self) -> frozenset[str]:
        return self.needed | ({"x_adv"} if self.context.run.save else frozenset())

    @cached_property
    def _target(self) -> tuple[Target, dict]:
        return target_of(self.context, self.source.classifier if self.source else self.victim, self.plan)


def target_of(context: Context, victim: Classifier, plan: Plan) -> tuple[Target, dict]:
    """The victim as the attack sees it; where the attack evades detectors, with them and what their thresholds are.

    Raises:
      UsageError: the victim has no such detector.
    """
    classes, identity = context.data.classes, {}
    samples = victim.graph_of("sample_logits") if victim.has_samples else None
    target = Target(victim.graph_of("logits"), classes, samples)
    statistic = plan.options.get("statistic", "none")
    if plan.attack.evades_detectors and samples is None:
        raise UsageError(f"{plan.attack.name} needs the logits of each sample, which {victim.name} does not have")
    if statistic != "none":
        fitted, how = fit_detectors(context, victim)
        if statistic not in fitted:
            raise UsageError(f"{victim.name} has no {statistic} detector to evade: --statistic {' or '.join(fitted)}")
        target, identity = replace(target, detectors=differentiable(fitted)), {"evades": how}
    if not victim.gradient_drops or plan.attack.needs != GRADIENT or context.protocol.full_gradient:
        return target, identity
    if plan.full_gradient:
        return target, identity | {"full_gradient": True}
    cheap = replace(target, logits=victim.graph_of("attack_logits"), snapshot=victim.graph_of("attack_sample_logits"))
    return cheap, identity | {"gradient_drops": victim.gradient_drops}


def _targets(context: Context) -> np.ndarray:
    """A wrong label for every image, drawn by (seed, image position)."""
    classes, images = context.data.classes, context.images
    shift = [np.random.default_rng([context.seed, i]).integers(1, classes) for i in images.index]
    return (images.y + np.array(shift)) % classes
