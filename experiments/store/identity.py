"""What tells one result from another: the hash of its settings, its file, its run, its attack, the name of its row."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.settings.attack_plan import changed_options, value_of
from deepbayes.experiments.settings.defaults import USUAL
from deepbayes.experiments.settings.run_settings import USUAL_FALSE_RATE
from deepbayes.experiments.store.names import safe_stem
from deepbayes.reference.published import WEIGHTS_MARK

SHIPPED_CALIBRATION = 55_000
"""Training images that the thresholds of the shipped weights are set on."""
STUDENT_MARK = f"{WEIGHTS_MARK}surrogate-"


def settings_hash(settings: Mapping) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]


def result_file(settings: Mapping) -> Path:
    """<dataset>/<victim>/<label>-<hash>.json, in the store, of the result of these settings."""
    label = settings["attack"] + ("_targeted" if settings.get("targeted") else "")
    if settings["attack"] in ATTACKS:
        parameter, value = ATTACKS[settings["attack"]].parameter, value_of(settings)
        two_digits = f"{value:.2f}"
        label += f"_{parameter}{two_digits if float(two_digits) == value else value}"
    if through := settings.get("through"):
        label = f"{through['kind']}_{label}" + (f"_from_{through['source']}" if "source" in through else "")
    if "against" in settings:
        label += f"_{settings['against']}"
    elif "detection" in settings:
        detection = settings["detection"]
        label = f"detect_{label}" + (f"_guard_{detection['guard']}" if detection["chosen_guard"] else "")
    folder = Path(safe_stem(settings["dataset"])) / safe_stem(settings["victim"])
    return folder / f"{safe_stem(label)}-{settings_hash(settings)}.json"


class RunKey(NamedTuple):
    """What tells one run from another; `samples` is None of victims without."""

    dataset: str
    protocol: str
    samples: int | None
    seed: int
    n: int
    left_out: str


def run_of(result: Mapping) -> RunKey:
    s = result["settings"]
    left_out = s.get("left_out", "")
    return RunKey(s["dataset"], s["protocol"]["name"], s.get("samples"), s["seed"], s["num_images"], left_out)


def attack_of(settings: Mapping) -> tuple:
    """What tells one attack from another: name, whether targeted, changed options, and by way of what."""
    through, changed = settings.get("through", {}), changed_options(settings)
    if "student_images" in through:
        changed["student_images"] = through["student_images"]
    if evaded := settings.get("evades"):
        changed |= {"fpr": evaded["rate"]} if evaded["rate"] != USUAL_FALSE_RATE else {}
        images = evaded["calibration"]["images"]
        changed |= {"calibration_images": images} if images != SHIPPED_CALIBRATION else {}
    usual = min(USUAL, settings["num_images"])
    if settings.get("batch_size", usual) != usual:
        changed["batch_size"] = settings["batch_size"]
    return settings["attack"], settings["targeted"], tuple(sorted(changed.items())), through.get("kind", "")


def experiment_of(settings: Mapping) -> tuple:
    """What runs of one experiment share, whatever their victims, weights, seeds and numbers of images.

    Data set, protocol, samples, attack (None where there is none), and (rate, calibration images) of the thresholds.
    """
    attack = attack_of(settings) if settings["attack"] != "clean" else None
    detection = settings.get("detection")
    thresholds = (detection["rate"], detection["calibration"]["images"]) if detection else None
    return settings["dataset"], settings["protocol"]["name"], settings.get("samples"), attack, thresholds


def trial_of(settings: Mapping) -> tuple:
    """What runs of one experiment share that differ in their victims and numbers of images alone.

    The experiment, the seed, and the weights of victim, student, source and guard, None where there is none.
    """
    through = settings.get("through", {})
    guard = settings.get("detection", {}).get("guard_settings", {})
    models = settings, through, through.get("settings", {}), guard
    return experiment_of(settings), settings["seed"], *(m.get("weights_sha256") for m in models)


_GRADIENTS = {"full_gradient", "gradient_drops"}
"""What settings say of the gradient followed, where a victim has a cheaper one."""


def attacks(results: Iterable[Mapping]) -> Iterator[tuple[tuple, Mapping]]:
    """(attack, result) of all but clean results.

    A victim without a cheaper gradient follows the full one either way: what it has stands wherever the run's others
    are, with `--full-gradient`, without it, or with both.
    """
    attacked = [r for r in results if r["settings"]["attack"] != "clean"]
    others = {
        (attack_of(r["settings"]), run)
        for r in attacked
        if _GRADIENTS & r["settings"].keys()
        for run in (run_of(r), run_of(r)._replace(samples=None))
    }
    for result in attacked:
        s, own = result["settings"], attack_of(result["settings"])
        either = [] if _GRADIENTS & s.keys() else [own, attack_of(s | {"full_gradient": True})]
        for attack in [a for a in either if (a, run_of(result)) in others] or [own]:
            yield attack, result


def namer(results: Iterable[Mapping]) -> Callable[[Mapping, str], str]:
    """(settings with a classifier's weights, its name) -> its name in tables, with them where several share it."""
    weights: dict[str, set] = {}
    for s in (r["settings"] for r in results):
        weights.setdefault(s["victim"], set()).add(s.get("weights_sha256"))
        if s.get("detection", {}).get("chosen_guard"):
            guard = s["detection"]["guard_settings"]
            weights.setdefault(s["detection"]["guard"], set()).add(guard.get("weights_sha256"))

    def name_of(settings: Mapping, name: str) -> str:
        sha256 = settings.get("weights_sha256")
        return f"{name}{WEIGHTS_MARK}{sha256[:6]}" if sha256 and len(weights.get(name, ())) > 1 else name

    return name_of


def row_namer(results: Iterable[Mapping]) -> Callable[[Mapping], str]:
    """Result of an attack -> name of its row: its victim's, with the student's weights where an attack had several."""
    name_of, students = namer(results), {}

    def copied(result: Mapping) -> tuple:
        s = result["settings"]
        return name_of(s, s["victim"]), attack_of(s), run_of(result)

    for result in results:
        through = result["settings"].get("through", {})
        if "student_images" in through:
            students.setdefault(copied(result), set()).add(through["weights_sha256"])

    def row_of(result: Mapping) -> str:
        if "student_images" not in result["settings"].get("through", {}):
            return name_of(result["settings"], result["settings"]["victim"])
        name, *_ = key = copied(result)
        several = len(students[key]) > 1
        return name + (STUDENT_MARK + result["settings"]["through"]["weights_sha256"][:6] if several else "")

    return row_of
