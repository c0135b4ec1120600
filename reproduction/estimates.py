"""Stored results as estimates of the paper's figures, each under the key of the figure that it estimates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.reporting.summary_tables import half_interval, minimum_perturbations
from deepbayes.experiments.settings.attack_plan import value_of
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.identity import attack_of, run_of
from deepbayes.experiments.store.results import settings_hash
from deepbayes.reference.published import (
    CLASSIFIER_OPTIONS,
    PAPER_CLASSIFIERS,
    PAPER_OPTIONS,
    SAME_CLASSIFIERS,
    Key,
    key_parameter,
    published_attack,
    published_parameter,
)

LARGEST = {"mnist": 0.3, "plane_frog": 0.1}
"""The eps up to which Tables 1 and 2 of the paper count."""


@dataclass(frozen=True)
class Estimate:
    """What a result estimates of a figure.

    Attributes:
      value: in the key's unit: percent, pixel scale for perturbations; None where there is nothing to measure on.
      low, high: 95 % interval; None where none is known.
      n: images that it is based on: all of them, the successful attacks for detection and L2, those counted for minima.
      settings: of the result, or of one of the results, that it comes from.
    """

    key: Key
    value: float | None
    low: float | None
    high: float | None
    n: int
    settings: dict

    @property
    def half(self) -> float:
        """Half the interval; 0 where none is known."""
        return 0.0 if self.low is None else (self.high - self.low) / 2


def estimates_of(results: list[dict]) -> list[Estimate]:
    """Every figure of these results that the paper could have; those over several results behind the others."""
    counted = [r for r in results if key_of(r["settings"], "") is not None]
    singles = [estimate for result in counted for estimate in _of_one(result)]
    return singles + list(_over_a_grid(counted)) + list(_transferred(counted))


def key_of(settings: dict, metric: str) -> Key | None:
    """The key of a result's figure; None for results that the paper has none of (checks, other images, noise)."""
    attack = settings["attack"]
    if attack != "clean" and (attack not in ATTACKS or ATTACKS[attack].parameter not in ("eps", "c")):
        return None
    victim, through, detection = settings["victim"], settings.get("through", {}), settings.get("detection", {})
    if detection.get("chosen_guard"):  # looks at images made against another
        victim, through = detection["guard"], {"kind": "transfer", "source": victim}
        name, classifier_options = classifier_of(victim, settings["dataset"], detection.get("guard_settings", {}))
    else:
        name, classifier_options = classifier_of(victim, settings["dataset"], settings)
    parameter = ""
    if attack != "clean":
        o = settings.get("options", {})
        statistic, weight = o.get("statistic", "none"), o.get("lambda_", 0)
        parameter = published_parameter(ATTACKS[attack].parameter, value_of(settings), attack, statistic, weight)
        attack = published_attack(attack, through.get("kind", ""), statistic)
    parameter = key_parameter(parameter, through.get("source", "") if parameter else "", classifier_options)
    return Key(_dataset(settings["dataset"]), name, attack, parameter, metric)


def classifier_of(victim: str, dataset: str, settings: dict) -> tuple[str, dict]:
    """The name of a classifier in a result, and the options in which it differs from the paper's usual one.

    In the store one that differs has its options behind its name (GBZ_z16); other models have the name that their user
    gave them, whatever that is.

    Args:
      settings: of this classifier, as the result holds them.
    """
    name, mark, _ = victim.partition("_")
    options = {n: settings[n] for n in CLASSIFIER_OPTIONS if n in settings}
    if not (mark and options and name in PAPER_CLASSIFIERS):
        return victim, {}
    usual = PAPER_OPTIONS.get(_dataset(dataset), {})
    return name, {n: v for n, v in options.items() if usual.get(n) != v}


def _dataset(name: str) -> str:
    """The data set of the paper whose figures a data set is shown beside."""
    return SAME_CLASSIFIERS.get(name, name)


def _of_one(result: dict) -> Iterator[Estimate]:
    settings = result["settings"]
    if settings.get("through", {}).get("kind") == "transfer":
        return
    if "detection" in settings:
        yield from _detected(result)
        return
    yield _share(key_of(settings, "accuracy_percent"), result["accuracy"], settings)
    if "student" in result:
        yield _share(key_of(settings, "student_accuracy_percent"), result["student"]["accuracy"], settings)
    if settings["attack"] == "cw":
        yield _l2(key_of(settings, "l2_mean"), result["perturbation"], settings)


def _l2(key: Key, norms: dict, settings: dict) -> Estimate:
    """The mean over successes."""
    if not norms["n"]:
        return Estimate(key, None, None, None, 0, settings)
    n, mean = norms["n"], norms["l2"]["mean"]
    if n == 1:
        return Estimate(key, mean, None, None, n, settings)
    half = stdtrit(n - 1, 0.975) * norms["l2"]["std"] / np.sqrt(n - 1)  # std: of these n, not of their population
    return Estimate(key, mean, mean - half, mean + half, n, settings)


def _share(key: Key, share: dict, settings: dict) -> Estimate:
    """A rate in percent."""
    value, low, high = (None if share[k] is None else 100 * share[k] for k in ("rate", "low", "high"))
    return Estimate(key, value, low, high, share["n"], settings)


def _detected(result: dict) -> Iterator[Estimate]:
    settings = result["settings"]
    averaged = PROTOCOLS[settings["protocol"]["name"]].detection.class_averaged
    for name, content in result["detectors"].items():
        key, mean = key_of(settings, f"tp_{name}_percent"), content["tp_class_averaged"]
        if not (averaged and DETECTORS[name].by_class) or mean is None:
            yield _share(key, content["tp"], settings)
            continue
        error = content.get("tp_class_averaged_error")
        low, high = (None, None) if error is None else (max(0.0, mean - 1.96 * error), min(1.0, mean + 1.96 * error))
        share = {"rate": mean, "low": low, "high": high, "n": content["tp"]["n"]}
        yield _share(key, share, settings)


def _over_a_grid(results: list[dict]) -> Iterator[Estimate]:
    """Minimum perturbations, and accuracy over all eps up to one (Tables 1, 2), where all of the paper's are.

    Of the user's own images, which are no data set by name, the usual eps are not known here: they have neither.
    """
    clean, grids = {}, {}
    for result in results:
        s = result["settings"]
        kind = run_of(result), s["victim"], s.get("weights_sha256")
        if s["attack"] == "clean" and "labels" in result:
            clean[kind] = result
        elif "eps" in s and "detection" not in s and s.get("through", {}).get("kind") != "transfer":
            student = s.get("through", {}).get("weights_sha256")
            grids.setdefault((*kind, (attack_of(s), student)), {})[s["eps"]] = result
    for (*kind, _), by_value in grids.items():
        before, settings = clean.get(tuple(kind)), next(iter(by_value.values()))["settings"]
        data = DATASETS.get(settings["dataset"])
        if before is None or data is None or not set(data.eps_grid) <= by_value.keys():
            continue
        by_value = {v: by_value[v] for v in data.eps_grid}
        only_right = PROTOCOLS[settings["protocol"]["name"]].detection.only_right_before
        smallest, key = minimum_perturbations(before, by_value, only_right), key_of(settings, "min_linf_mean")
        if n := len(smallest):
            whole, mean, half = key.over_budgets(), float(smallest.mean()), half_interval(smallest)
            yield Estimate(whole, mean, mean - half, mean + half, n, settings)
            median = whole._replace(metric="min_linf_median")
            yield Estimate(median, float(np.median(smallest)), None, None, n, settings)
        if largest := LARGEST.get(key.dataset):
            y = np.array(before["labels"])
            right = np.all([np.array(r["predictions"]) == y for v, r in by_value.items() if v <= largest], axis=0)
            below = key.over_budgets(largest)._replace(metric="accuracy_percent")
            yield _share(below, rate(right.sum(), len(right)), settings)


def _transferred(results: list[dict]) -> Iterator[Estimate]:
    """Accuracy on the images of another classifier's attack that fooled that one (Figures A.4, A.5)."""
    by_settings = {settings_hash(r["settings"]): r for r in results}
    labels = {run_of(r): np.array(r["labels"]) for r in results if "labels" in r}
    for result in results:
        s = result["settings"]
        through = s.get("through", {})
        if through.get("kind") != "transfer":
            continue
        of_source = {k: v for k, v in s.items() if k != "through"} | {"victim": through["source"]}
        source, y = by_settings.get(settings_hash(of_source | through["settings"])), labels.get(run_of(result))
        if source is None or y is None:
            continue
        fooled = np.array(source["predictions"]) != y
        right = np.array(result["predictions"])[fooled] == y[fooled]
        yield _share(key_of(s, "accuracy_percent"), rate(right.sum(), len(right)), s)
