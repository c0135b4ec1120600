"""`report`, and the end of every attack: tables and figures from the results store, without computing anything."""

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

from data.registry import DATASETS
from experiments.batches import USUAL
from experiments.errors import UsageError
from experiments.plan import changed_options, value_of
from experiments.progress import print_tables, say
from experiments.protocol import PROTOCOLS
from experiments.reporting import detection_figures, figures
from experiments.reporting.detection_tables import (
    SHIPPED_CALIBRATION,
    USUAL_FPR,
    DetectionGroup,
    OodGroup,
    detection_tables,
    ood_tables,
)
from experiments.reporting.reference import WEIGHTS_MARK
from experiments.reporting.summary_tables import minimum_table, worst_case_tables
from experiments.reporting.tables import Group, Run, Table, accuracy_table, checks_table, clean_table, success_table
from experiments.reporting.transfer_tables import TransferGroup, heat_map, ordered_cells, transfer_table
from experiments.results import ResultsStore
from models.factorisation import SEVEN_NAMES
from models.files import atomic


def run(options: argparse.Namespace) -> int:
    store = ResultsStore(options.output)
    results = [r for r in store.all(options.dataset) if r["settings"]["protocol"]["name"] == options.protocol]
    if not results:
        raise UsageError(
            f"no results of protocol {options.protocol} in {options.output}; make some: ./run_experiments.sh fgsm"
        )
    show(store, results)
    return 0


def show(store: ResultsStore, results: list[dict]) -> None:
    """Prints and stores the tables and figures of these results."""
    other_images = [r for r in results if r["settings"]["attack"] == "ood"]
    detected = [r for r in results if "detection" in r["settings"] and r not in other_images]
    for result in (r for r in results if r["settings"]["attack"] == "checks"):
        run_fields = Run(**_fields(run_of(result)))
        _show_tables(store, run_fields.dataset, run_fields.stem_of("checks", result["settings"]["victim"]),
                     [checks_table(result, run_fields)])  # fmt: skip
    attacked = [r for r in results if "detection" not in r["settings"] and r["settings"]["attack"] != "checks"]
    moved = transfer_groups(attacked)
    found = groups(attacked)
    for group in found:
        show_group(store, group)
    for group, table in worst_case_tables(found):
        victims = [] if group.samples else [name for name, *_ in table.rows]  # as Group.stem
        _show_tables(store, group.dataset, group.stem_of("worst_case", *victims), [table])
    for group in moved:
        _show_tables(store, group.dataset, group.stem, [transfer_table(group)])
        say(f"figure: {heat_map(group, store.root / group.dataset / f'{group.stem}.png')}")
    for group in detection_groups(detected):
        show_detection(store, group)
    for group in ood_groups(other_images):
        _show_tables(store, group.dataset, group.stem, ood_tables(group))


class RunKey(NamedTuple):
    """What tells one run from another; `samples` is None of victims without."""

    dataset: str
    protocol: str
    samples: int | None
    seed: int
    n: int
    left_out: str


def run_of(result: dict) -> RunKey:
    s = result["settings"]
    left_out = s.get("left_out", "")
    return RunKey(s["dataset"], s["protocol"]["name"], s.get("samples"), s["seed"], s["num_images"], left_out)


def attack_of(settings: dict) -> tuple:
    """What tells one attack from another: name, whether targeted, changed options, and by way of what."""
    through, changed = settings.get("through", {}), changed_options(settings)
    if "student_images" in through:
        changed["student_images"] = through["student_images"]
    if evaded := settings.get("evades"):
        changed |= {"fpr": evaded["rate"]} if evaded["rate"] != USUAL_FPR else {}
        images = evaded["calibration"]["images"]
        changed |= {"calibration_images": images} if images != SHIPPED_CALIBRATION else {}
    usual = min(USUAL, settings["num_images"])
    if settings.get("batch_size", usual) != usual:
        changed["batch_size"] = settings["batch_size"]
    return settings["attack"], settings["targeted"], tuple(sorted(changed.items())), through.get("kind", "")


_GRADIENTS = {"full_gradient", "gradient_drops"}
"""What settings say of the gradient followed, where a victim has a cheaper one."""


def _attacks(results: list[dict]) -> Iterator[tuple[tuple, dict]]:
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


def _namer(results: list[dict]) -> Callable[[dict, str], str]:
    """(settings with a classifier's weights, its name) -> its name in tables, with them where several share it."""
    weights: dict[str, set] = {}
    for s in (r["settings"] for r in results):
        weights.setdefault(s["victim"], set()).add(s.get("weights_sha256"))
        if s.get("detection", {}).get("chosen_guard"):
            guard = s["detection"]["guard_settings"]
            weights.setdefault(s["detection"]["guard"], set()).add(guard.get("weights_sha256"))

    def name_of(settings: dict, name: str) -> str:
        sha256 = settings.get("weights_sha256")
        return f"{name}{WEIGHTS_MARK}{sha256[:6]}" if sha256 and len(weights.get(name, ())) > 1 else name

    return name_of


_STUDENT_MARK = f"{WEIGHTS_MARK}student-"


def _rows(results: list[dict]) -> Callable[[dict], str]:
    """Result of an attack -> name of its row: its victim's, with the student's weights where an attack had several."""
    name_of, students = _namer(results), {}

    def copied(result: dict) -> tuple:
        s = result["settings"]
        return name_of(s, s["victim"]), attack_of(s), run_of(result)

    for result in results:
        through = result["settings"].get("through", {})
        if "student_images" in through:
            students.setdefault(copied(result), set()).add(through["weights_sha256"])

    def row_of(result: dict) -> str:
        name, *_ = key = copied(result)
        several = len(students.get(key, ())) > 1
        return name + (_STUDENT_MARK + result["settings"]["through"]["weights_sha256"][:6] if several else "")

    return row_of


def _fields(run: RunKey) -> dict:
    return run._asdict() | {"note": DATASETS[run.dataset].caveat}


def _attack_fields(kind: tuple) -> dict:
    return dict(zip(("attack", "targeted", "changed", "through"), kind, strict=True))


def _beside_the_others(by_run: dict) -> set:
    """Copies victims without samples, where K is None, into the tables of the same run's others, for any K.

    Returns the keys that were copied.
    """
    copied = set()
    for key in [k for k in by_run if _run_in(k).samples is None]:
        for other in [k for k in by_run if k != key and _without_samples(k) == key]:
            by_run[other] |= by_run[key]
            copied.add(key)
    return copied


def _run_in(key: tuple) -> RunKey:
    """The run in a key that is one, or that ends with one."""
    return key if isinstance(key, RunKey) else key[-1]


def _without_samples(key: tuple) -> tuple:
    run = _run_in(key)._replace(samples=None)
    return run if isinstance(key, RunKey) else (*key[:-1], run)


def groups(results: list[dict]) -> list[Group]:
    """Results by attack and run; each attack brings its victims' clean results along."""
    clean, attacked, name_of, row_of = {}, {}, _namer(results), _rows(results)
    for result in results:
        s = result["settings"]
        if s["attack"] == "clean":
            clean.setdefault(run_of(result), {})[name_of(s, s["victim"])] = result
    for attack, result in _attacks(results):
        s = result["settings"]
        if s.get("through", {}).get("kind") != "transfer":
            victims = attacked.setdefault((attack, run_of(result)), {})
            victims.setdefault(row_of(result), {})[value_of(s)] = result
    found, shown = [], _beside_the_others(clean)  # which stay: the others need not have had the same attacks
    for key in _beside_the_others(attacked):
        del attacked[key]
    for (kind, run_key), victims in attacked.items():
        known = clean.get(run_key, {})
        own = {name: name.partition(_STUDENT_MARK)[0] for name in victims}
        with_clean = {name: (known[own[name]], v) for name, v in victims.items() if own[name] in known}
        if with_clean:
            found.append(Group(**_attack_fields(kind), victims=_ordered(with_clean), **_fields(run_key)))
            shown.add(run_key)
    for run_key, victims in clean.items():
        if run_key not in shown:
            alone = {name: (result, {}) for name, result in victims.items()}
            found.append(Group(attack="clean", targeted=False, victims=_ordered(alone), **_fields(run_key)))
    return found


def transfer_groups(results: list[dict]) -> list[TransferGroup]:
    """Transfer results by attack, value and run, with the white-box results of the same attack on the diagonal."""
    moved, own, name_of = {}, {}, _namer(results)
    for (*kind, through), result in _attacks(results):
        s = result["settings"]
        key, name = (tuple(kind), value_of(s), run_of(result)), name_of(s, s["victim"])
        if through == "transfer":
            source = name_of(s["through"]["settings"], s["through"]["source"])
            moved.setdefault(key, {})[name, source] = result
        elif not through:
            own.setdefault(key, {})[name, name] = result
    order = {name: k for k, name in enumerate(SEVEN_NAMES)}
    return [
        TransferGroup(
            **_attack_fields((*kind, "")), value=value, cells=ordered_cells((own.get(key, {}) | cells).items(), order),
            **_fields(run_key),
        )
        for key, cells in moved.items()
        for kind, value, run_key in [key]
    ]  # fmt: skip


def detection_groups(results: list[dict]) -> list[DetectionGroup]:
    """Detection results by attack, run, thresholds and chosen guard."""
    found, name_of, row_of = {}, _namer(results), _rows(results)
    for attack, result in _attacks(results):
        s, d = result["settings"], result["settings"]["detection"]
        chosen = name_of(d["guard_settings"], d["guard"]) if d["chosen_guard"] else ""
        if chosen and "samples" not in s and d["guard_settings"]["samples"] != 10:
            chosen += f"_K{d['guard_settings']['samples']}"  # which the run's, the victim's, does not say
        guards = found.setdefault((attack, d["rate"], d["calibration"]["images"], chosen, run_of(result)), {})
        name = row_of(result)
        guards.setdefault(f"{name} -> {chosen}" if chosen else name, {})[value_of(s)] = result
    names = ("rate", "calibration_images", "chosen_guard")
    return [
        DetectionGroup(
            **_attack_fields(kind), **dict(zip(names, key, strict=True)), guards=_ordered(guards), **_fields(run_key)
        )
        for (kind, *key, run_key), guards in found.items()
    ]


def ood_groups(results: list[dict]) -> list[OodGroup]:
    """Results of `ood` by run."""
    found, name_of = {}, _namer(results)
    for result in results:
        s = result["settings"]
        detection = s["detection"]
        guards = found.setdefault((detection["rate"], detection["calibration"]["images"], run_of(result)), {})
        guards.setdefault(name_of(s, s["victim"]), {})[s["against"]] = result
    return [
        OodGroup(rate=rate, calibration_images=images, guards=_ordered(guards), **_fields(run_key))
        for (rate, images, run_key), guards in found.items()
    ]


def _ordered(named: dict) -> dict:
    order = {name: k for k, name in enumerate(SEVEN_NAMES)}
    place = lambda name: (order.get(name.split(WEIGHTS_MARK)[0], len(order)), name)  # noqa: E731
    return dict(sorted(named.items(), key=lambda item: place(item[0])))


def show_group(store: ResultsStore, group: Group) -> None:
    folder = store.root / group.dataset
    shown = [clean_table(group)] if group.attack == "clean" else [accuracy_table(group), success_table(group)]
    only_right = PROTOCOLS[group.protocol].detection.only_right_before
    minimum = None if group.attack == "clean" else minimum_table(group, only_right)
    shown += [minimum] if minimum else []
    _show_tables(store, group.dataset, group.stem, shown)
    if group.attack == "clean":
        return
    files = [
        figures.accuracy_by_eps(group, folder / f"{group.stem}.png"),
        figures.example_strip(group, store.arrays, folder / f"{group.stem}_examples.png"),
    ]
    say(f"table: {folder / group.stem}.md, figures: " + ", ".join(str(f) for f in files))


def show_detection(store: ResultsStore, group: DetectionGroup) -> None:
    folder = store.root / group.dataset
    _show_tables(store, group.dataset, group.stem, detection_tables(group))
    files = [
        detection_figures.detection_by_eps(group, folder / f"{group.stem}.png"),
        detection_figures.histograms(group, store.arrays, folder / f"{group.stem}_histograms.png"),
        detection_figures.roc_curves(group, store.arrays, folder / f"{group.stem}_roc.png"),
    ]
    say(f"tables: {folder / group.stem}.md, figures: " + ", ".join(str(f) for f in files))


def _show_tables(store: ResultsStore, dataset: str, stem: str, shown: list[Table]) -> None:
    file = store.root / dataset / f"{stem}.md"
    with atomic(file) as temporary:
        temporary.write_text("\n".join(table.markdown() for table in shown))
    print_tables((table.rich() for table in shown), file)
