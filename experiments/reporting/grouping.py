"""Results chosen, and sorted into the groups that tables and figures show, rows in the order in which they come."""

from collections.abc import Iterable

from deepbayes.data.registry import caveat
from deepbayes.experiments.reporting.detection_tables import DetectionGroup, OodGroup
from deepbayes.experiments.reporting.tables import Group
from deepbayes.experiments.reporting.transfer_tables import TransferGroup
from deepbayes.experiments.settings.errors import UsageError, did_you_mean
from deepbayes.experiments.store.identity import STUDENT_MARK, RunKey, attacks, namer, row_namer
from deepbayes.experiments.store.result import (
    AttackResult,
    CleanResult,
    DetectionResult,
    OutOfDistributionResult,
    Result,
)
from deepbayes.models.registry import base_name, place


def chosen(results: list[Result], attacks: Iterable[str] | None, classifiers: Iterable[str] | None) -> list[Result]:
    """The results that `report` shows: of these attacks and classifiers, in their order; None takes all.

    A clean result comes along with the attacks of its run. A classifier's name also stands for its variants: GBZ for
    GBZ_z32, which has another latent size.

    Raises:
      UsageError: the results hold no such classifier, or nothing of what was chosen.
    """
    found = results
    if classifiers:
        order = {name: k for k, name in enumerate(dict.fromkeys(classifiers))}
        _check_names(results, order)
        found = [r for r in found if {r.classifier, base_name(r.classifier)} & order.keys()]
        found.sort(key=lambda r: order.get(r.classifier, order.get(base_name(r.classifier))))
    if attacks:
        runs = {r.run for r in found if r.attack in attacks}
        found = [r for r in found if r.attack in attacks or (r.attack == "clean" and r.run in runs)]
    if not found:
        raise UsageError("no result is of these attacks and classifiers: leave out --attack or --classifiers")
    return found


def _check_names(results: list[Result], names: Iterable[str]) -> None:
    known = dict.fromkeys(n for r in results for n in (r.classifier, base_name(r.classifier)))
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are results of {', '.join(known)}"
            raise UsageError(f"no results of a classifier called {name}{hint}")


def in_usual_order(results: Iterable[Result]) -> list[Result]:
    """By classifier: registered ones in their order, others by name; several weights of one name side by side."""

    def key(result: Result) -> tuple:
        s, name = result.settings, result.classifier
        student = s.get("through", {}).get("weights_sha256", "")
        return place(name), name, s.get("weights_sha256", ""), student

    return sorted(results, key=key)


def fields_of(run: RunKey) -> dict:
    return run._asdict() | {"note": caveat(run.dataset)}


def attack_fields(kind: tuple) -> dict:
    """Of an `AttackRun`, from what `attack_of` gives."""
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


def _merged(by_run: dict, names: Iterable[str]) -> dict:
    """With victims without samples in the tables of the others alone, and all rows in the order of `names`."""
    for key in _beside_the_others(by_run):
        del by_run[key]
    order = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return {key: dict(sorted(rows.items(), key=lambda row: order[row[0]])) for key, rows in by_run.items()}


def groups(results: Iterable[Result], all_clean: bool = False) -> list[Group]:
    """Results by attack and run; each attack brings its victims' clean results along.

    Args:
      all_clean: whether clean results are a group of their own beside those of their attacks, too.
    """
    evaluated = [r for r in results if isinstance(r, CleanResult | AttackResult)]
    clean, attacked, row_of = {}, {}, row_namer(evaluated)
    for result in evaluated:
        if isinstance(result, CleanResult):
            clean.setdefault(result.run, {})[row_of(result)] = result
    for attack, result in attacks(evaluated):
        if result.through != "transfer":
            victims = attacked.setdefault((attack, result.run), {})
            victims.setdefault(row_of(result), {})[result.value] = result
    found, shown = [], _beside_the_others(clean)  # which stay: the others need not have had the same attacks
    for (kind, run_key), victims in _merged(attacked, map(row_of, evaluated)).items():
        known = clean.get(run_key, {})
        own = {name: name.partition(STUDENT_MARK)[0] for name in victims}
        with_clean = {name: (known[own[name]], v) for name, v in victims.items() if own[name] in known}
        if with_clean:
            found.append(Group(**attack_fields(kind), victims=with_clean, **fields_of(run_key)))
            shown |= set() if all_clean else {run_key}
    order = {name: k for k, name in enumerate(dict.fromkeys(map(row_of, evaluated)))}
    for run_key, victims in clean.items():
        if run_key not in shown:
            alone = {name: (victims[name], {}) for name in sorted(victims, key=order.get)}
            found.append(Group(attack="clean", targeted=False, victims=alone, **fields_of(run_key)))
    return found


def transfer_groups(results: Iterable[Result]) -> list[TransferGroup]:
    """Transfer results by attack, value and run, with the white-box results of the same attack on the diagonal."""
    attacked = [r for r in results if isinstance(r, CleanResult | AttackResult)]
    moved, own, name_of, names = {}, {}, namer(attacked), []
    for (*kind, through), result in attacks(attacked):
        s = result.settings
        key, name = (tuple(kind), result.value, result.run), name_of(s, result.classifier)
        if through == "transfer":
            source = name_of(s["through"]["settings"], s["through"]["source"])
            moved.setdefault(key, {})[name, source] = result
        elif not through:
            own.setdefault(key, {})[name, name] = result
        names.append(name)
    for key in _beside_the_others(moved):
        del moved[key]
    _beside_the_others(own)
    order = {name: k for k, name in enumerate(dict.fromkeys(names))}
    place = lambda cell: [order.get(name, len(order)) for name in cell[0]]  # noqa: E731
    return [
        TransferGroup(
            **attack_fields((*kind, "")), value=value,
            cells=dict(sorted((own.get(key, {}) | cells).items(), key=place)), **fields_of(run_key),
        )
        for key, cells in moved.items()
        for kind, value, run_key in [key]
    ]  # fmt: skip


def detection_groups(results: Iterable[Result]) -> list[DetectionGroup]:
    """Detection results by attack, run, thresholds and chosen guard."""
    detected = [r for r in results if isinstance(r, DetectionResult)]
    found, name_of, row_of, labels = {}, namer(detected), row_namer(detected), []
    for attack, result in attacks(detected):
        d = result.settings["detection"]
        chosen = name_of(d["guard_settings"], d["guard"]) if d.get("chosen_guard") else ""
        samples = d["guard_settings"].get("samples", 10)
        if chosen and result.samples is None and samples != 10:  # which the run's, the victim's, does not say
            chosen += f"_K{samples}"
        key = attack, d["rate"], d["calibration"]["images"], chosen, result.run
        labels.append(f"{row_of(result)} -> {chosen}" if chosen else row_of(result))
        found.setdefault(key, {}).setdefault(labels[-1], {})[result.value] = result
    names = ("rate", "calibration_images", "chosen_guard")
    return [
        DetectionGroup(**attack_fields(kind), **dict(zip(names, key, strict=True)), guards=rows, **fields_of(run_key))
        for (kind, *key, run_key), rows in _merged(found, labels).items()
    ]


def ood_groups(results: Iterable[Result]) -> list[OodGroup]:
    """Results of `ood` by run."""
    others = [r for r in results if isinstance(r, OutOfDistributionResult)]
    found, name_of, names = {}, namer(others), []
    for result in others:
        detection = result.settings["detection"]
        names.append(name_of(result.settings, result.classifier))
        guards = found.setdefault((detection["rate"], detection["calibration"]["images"], result.run), {})
        guards.setdefault(names[-1], {})[result.against] = result
    return [
        OodGroup(rate=rate, calibration_images=images, guards=rows, **fields_of(run_key))
        for (rate, images, run_key), rows in _merged(found, names).items()
    ]
