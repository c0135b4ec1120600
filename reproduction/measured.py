"""Stored results as the paper's figures: each under the key of the published figure that measures the same."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attacks.registry import ATTACKS
from experiments.intervals import rate
from experiments.plan import changed_options, value_of
from experiments.protocol import PROTOCOLS
from experiments.reference import SAME_CLASSIFIERS, Key, published_attack, published_parameter
from experiments.summary_tables import minimum_perturbations

_Z95 = 1.96


@dataclass(frozen=True)
class Measured:
    """A measured figure.

    Attributes:
      value: in the key's unit: percent, pixel scale for perturbations; None where there is nothing to measure on.
      low, high: 95 % interval.
      n: images it stands on: all of them, the successful attacks for detection and L2, those counted for minima.
      settings: of the result, or of one of the results, that it comes from.
    """

    key: Key
    value: float | None
    low: float | None
    high: float | None
    n: int
    settings: dict


def measured(results: list[dict]) -> list[Measured]:
    """Every figure of these results that the paper could have; those over several results behind the others."""
    found = [figure for result in results for figure in _of_one(result)]
    return found + list(_over_a_grid(results)) + list(_transferred(results))


def key_of(settings: dict, metric: str) -> Key | None:
    """The key of a result's figure; None for results that the paper has none of (checks, other images)."""
    attack = settings["attack"]
    if attack in ("checks", "ood"):
        return None
    name, _, dim_z = settings["victim"].partition("_z")
    dataset = SAME_CLASSIFIERS.get(settings["dataset"], settings["dataset"])
    parts = []
    if attack != "clean":
        o, through = settings.get("options", {}), settings.get("through", {})
        statistic, weight = o.get("statistic", "none"), o.get("lambda_", 0)
        parameter = "c" if "c" in settings else "eps" if "eps" in settings else None
        if parameter is None:
            return None
        attack = published_attack(attack, through.get("kind", ""), statistic)
        parts.append(published_parameter(parameter, value_of(settings), settings["attack"], statistic, weight))
        if "source" in through:
            parts.append(f"from={through['source']}")
    parts += [f"dim_z={dim_z}"] if dim_z else []
    return Key(dataset, name, attack, ";".join(parts), metric)


def _of_one(result: dict) -> Iterator[Measured]:
    settings = result["settings"]
    if settings.get("through", {}).get("kind") == "transfer" or key_of(settings, "") is None:
        return
    if "detection" in settings:
        yield from _detected(result)
        return
    yield _share(key_of(settings, "accuracy_percent"), result["accuracy"], settings)
    if "student" in result:
        yield _share(key_of(settings, "student_accuracy_percent"), result["student"]["accuracy"], settings)
    norms = result.get("perturbation", {})
    if settings["attack"] == "cw" and norms.get("n"):
        mean, spread = norms["l2"]["mean"], _Z95 * norms["l2"]["std"] / np.sqrt(norms["n"])
        yield Measured(key_of(settings, "l2_mean"), mean, mean - spread, mean + spread, norms["n"], settings)


def _share(key: Key, share: dict, settings: dict, value: float | None = None) -> Measured:
    """A rate in percent; `value` takes its place where another mean than the one over images is shown."""
    if share["rate"] is None:
        return Measured(key, None, None, None, 0, settings)
    shown = 100 * share["rate"] if value is None else value
    shift = shown - 100 * share["rate"]
    return Measured(key, shown, 100 * share["low"] + shift, 100 * share["high"] + shift, share["n"], settings)


def _detected(result: dict) -> Iterator[Measured]:
    settings = result["settings"]
    if settings["detection"]["chosen_guard"]:
        return
    averaged = PROTOCOLS[settings["protocol"]["name"]].detection.class_averaged
    for name, content in result["detectors"].items():
        mean = content["tp_class_averaged"] if averaged and name != "marginal" else None
        value = None if mean is None else 100 * mean
        yield _share(key_of(settings, f"tp_{name}_percent"), content["tp"], settings, value)


def _over_a_grid(results: list[dict]) -> Iterator[Measured]:
    """Minimum perturbations, and accuracy over all eps up to a bound (Tables 1 and 2), where a whole grid is there."""
    clean, grids = {}, {}
    for result in results:
        s = result["settings"]
        if s["attack"] == "clean" and "labels" in result:
            clean[_apart_from(s, *_OF_ATTACKS)] = result
        elif "eps" in s and "detection" not in s and "predictions" in result:
            grids.setdefault(_apart_from(s, "eps"), {})[s["eps"]] = result
    for by_value in grids.values():
        settings = next(iter(by_value.values()))["settings"]
        before = clean.get(_apart_from(settings, *_OF_ATTACKS))
        if len(by_value) < 2 or before is None or settings.get("through", {}).get("kind") == "transfer":
            continue
        only_right = PROTOCOLS[settings["protocol"]["name"]].detection.only_right_before
        found = minimum_perturbations(before, by_value, only_right)
        if not len(found):
            continue
        grid = ",".join(f"{v:g}" for v in sorted(by_value))
        of_grid = key_of(settings, "min_linf_mean")
        rest = of_grid.parameter.partition(";")[2]
        parameter = "all eps" + (f";{rest}" if rest else "")
        spread = _Z95 * found.std() / np.sqrt(len(found))
        noted = settings | {"grid": grid}
        mean, median = float(found.mean()), float(np.median(found))
        yield Measured(of_grid._replace(parameter=parameter), mean, mean - spread, mean + spread, len(found), noted)
        yield Measured(
            of_grid._replace(parameter=parameter, metric="min_linf_median"), median, None, None, len(found), noted
        )


_OF_ATTACKS = ("attack", "eps", "c", "targeted", "options", "known_noise", "full_gradient", "gradient_drops", "evades",
               "through", "batch_size")  # fmt: skip
"""Settings of an attack's result that its victim's clean result does not have."""


def _apart_from(settings: dict, *names: str) -> str:
    return repr(sorted((k, repr(v)) for k, v in settings.items() if k not in names))


def _transferred(results: list[dict]) -> Iterator[Measured]:
    """Accuracy on the images of another classifier's attack that fooled that one (Figures A.4, A.5)."""
    labels, made = {}, {}
    for result in results:
        s = result["settings"]
        if s["attack"] == "clean" and "labels" in result:
            labels[_images(s)] = np.array(result["labels"])
        elif s["attack"] in ATTACKS and "through" not in s and "detection" not in s:
            made[_attack(s), s["victim"], s["weights_sha256"]] = result
    for result in results:
        s = result["settings"]
        through = s.get("through", {})
        if through.get("kind") != "transfer":
            continue
        source = made.get((_attack(s), through["source"], through["settings"]["weights_sha256"]))
        y = labels.get(_images(s))
        if source is None or y is None:
            continue
        fooled = np.array(source["predictions"]) != y
        right = np.array(result["predictions"])[fooled] == y[fooled]
        key = key_of(s, "accuracy_percent")
        yield _share(key, rate(right.sum(), len(right)), s)


def _images(settings: dict) -> tuple:
    return settings["dataset"], settings["data_sha256"], settings["num_images"], settings.get("left_out", "")


def _attack(settings: dict) -> str:
    """What the same images made by the same attack have in common, whoever looks at them."""
    names = ("dataset", "data_sha256", "num_images", "seed", "protocol", "attack", "eps", "c", "options", "targeted")
    return repr([settings.get(n) for n in names] + sorted(changed_options(settings)))
