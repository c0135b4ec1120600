"""`report`, and the end of every attack: tables and figures from the results store, without computing anything."""

import argparse
from collections.abc import Iterable

from data.registry import DATASETS
from experiments import detection_figures, figures
from experiments.detection_tables import DetectionGroup, OodGroup, detection_tables, ood_table
from experiments.errors import UsageError
from experiments.progress import say, tables
from experiments.results import ResultsStore
from experiments.tables import Group, Table, accuracy_table, clean_table, success_table
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
    for group in groups(r for r in results if "detection" not in r["settings"]):
        show_group(store, group)
    for group in detection_groups(detected):
        show_detection(store, group)
    for group in ood_groups(other_images):
        _show_tables(store, group.dataset, group.stem, [ood_table(group)])


def groups(results: Iterable[dict]) -> list[Group]:
    """Results by attack and settings; each attack brings its victims' clean results along."""
    clean, attacked = {}, {}
    for result in results:
        s = result["settings"]
        key = (s["dataset"], s["protocol"]["name"], s.get("samples"), s["seed"], s["num_images"])
        if s["attack"] == "clean":
            clean.setdefault(key, {})[s["victim"]] = result
        else:
            victims = attacked.setdefault((s["attack"], s["targeted"], *key), {})
            victims.setdefault(s["victim"], {})[s["eps"]] = result
    found = []
    for (attack, targeted, *key), victims in attacked.items():
        with_clean = {
            name: (clean[tuple(key)][name], by_eps)
            for name, by_eps in victims.items()
            if name in clean.get(tuple(key), {})
        }
        if with_clean:
            found.append(_group(attack, targeted, key, with_clean))
    shown = {(g.dataset, g.protocol, g.samples, g.seed, g.n) for g in found}
    found += [
        _group("clean", False, key, {name: (result, {}) for name, result in victims.items()})
        for key, victims in clean.items()
        if key not in shown
    ]
    return found


def detection_groups(results: Iterable[dict]) -> list[DetectionGroup]:
    """Detection results by attack and settings, self-guarded ones and transfer apart."""
    found = {}
    for result in results:
        s, d = result["settings"], result["settings"]["detection"]
        own = d["guard"] == s["victim"]
        key = (s["attack"], s["targeted"], s["dataset"], s["protocol"]["name"], s.get("samples"), s["seed"])
        guards = found.setdefault((*key, s["num_images"], d["rate"], own), {})
        guards.setdefault(s["victim"] if own else f"{s['victim']} -> {d['guard']}", {})[s["eps"]] = result
    return [
        DetectionGroup(*key, guards=_ordered(guards), note=DATASETS[key[2]].caveat)
        for (*key, _), guards in found.items()
    ]


def ood_groups(results: Iterable[dict]) -> list[OodGroup]:
    found = {}
    for result in results:
        s = result["settings"]
        key = (
            s["dataset"],
            s["protocol"]["name"],
            s.get("samples"),
            s["seed"],
            s["num_images"],
            s["detection"]["rate"],
        )
        found.setdefault(key, {}).setdefault(s["victim"], {})[s["against"]] = result
    return [OodGroup(*key, guards=_ordered(guards), note=DATASETS[key[0]].caveat) for key, guards in found.items()]


def _ordered(named: dict) -> dict:
    order = {name: k for k, name in enumerate(SEVEN_NAMES)}
    return dict(sorted(named.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _group(attack, targeted, key, victims) -> Group:
    dataset, protocol, samples, seed, n = key
    return Group(attack, targeted, dataset, protocol, samples, seed, n, _ordered(victims), DATASETS[dataset].caveat)


def show_group(store: ResultsStore, group: Group) -> None:
    folder = store.root / group.dataset
    shown = [clean_table(group)] if group.attack == "clean" else [accuracy_table(group), success_table(group)]
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
    for table in shown:
        tables.print(table.rich())
    with atomic(store.root / dataset / f"{stem}.md") as temporary:
        temporary.write_text("\n".join(table.markdown() for table in shown))
