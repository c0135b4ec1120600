"""Results sorted into the groups that tables and figures show."""

from deepbayes.data.registry import DATASETS
from deepbayes.experiments.reporting.detection_tables import DetectionGroup, OodGroup
from deepbayes.experiments.reporting.identity import STUDENT_MARK, RunKey, attacks, namer, row_namer, run_of
from deepbayes.experiments.reporting.tables import Group
from deepbayes.experiments.reporting.transfer_tables import TransferGroup, ordered_cells
from deepbayes.experiments.settings.attack_plan import value_of
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from deepbayes.reference.published import WEIGHTS_MARK


def fields_of(run: RunKey) -> dict:
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
    clean, attacked, name_of, row_of = {}, {}, namer(results), row_namer(results)
    for result in results:
        s = result["settings"]
        if s["attack"] == "clean":
            clean.setdefault(run_of(result), {})[name_of(s, s["victim"])] = result
    for attack, result in attacks(results):
        s = result["settings"]
        if s.get("through", {}).get("kind") != "transfer":
            victims = attacked.setdefault((attack, run_of(result)), {})
            victims.setdefault(row_of(result), {})[value_of(s)] = result
    found, shown = [], _beside_the_others(clean)  # which stay: the others need not have had the same attacks
    for key in _beside_the_others(attacked):
        del attacked[key]
    for (kind, run_key), victims in attacked.items():
        known = clean.get(run_key, {})
        own = {name: name.partition(STUDENT_MARK)[0] for name in victims}
        with_clean = {name: (known[own[name]], v) for name, v in victims.items() if own[name] in known}
        if with_clean:
            found.append(Group(**_attack_fields(kind), victims=_ordered(with_clean), **fields_of(run_key)))
            shown.add(run_key)
    for run_key, victims in clean.items():
        if run_key not in shown:
            alone = {name: (result, {}) for name, result in victims.items()}
            found.append(Group(attack="clean", targeted=False, victims=_ordered(alone), **fields_of(run_key)))
    return found


def transfer_groups(results: list[dict]) -> list[TransferGroup]:
    """Transfer results by attack, value and run, with the white-box results of the same attack on the diagonal."""
    moved, own, name_of = {}, {}, namer(results)
    for (*kind, through), result in attacks(results):
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
            **fields_of(run_key),
        )
        for key, cells in moved.items()
        for kind, value, run_key in [key]
    ]  # fmt: skip


def detection_groups(results: list[dict]) -> list[DetectionGroup]:
    """Detection results by attack, run, thresholds and chosen guard."""
    found, name_of, row_of = {}, namer(results), row_namer(results)
    for attack, result in attacks(results):
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
            **_attack_fields(kind), **dict(zip(names, key, strict=True)), guards=_ordered(guards), **fields_of(run_key)
        )
        for (kind, *key, run_key), guards in found.items()
    ]


def ood_groups(results: list[dict]) -> list[OodGroup]:
    """Results of `ood` by run."""
    found, name_of = {}, namer(results)
    for result in results:
        s = result["settings"]
        detection = s["detection"]
        guards = found.setdefault((detection["rate"], detection["calibration"]["images"], run_of(result)), {})
        guards.setdefault(name_of(s, s["victim"]), {})[s["against"]] = result
    return [
        OodGroup(rate=rate, calibration_images=images, guards=_ordered(guards), **fields_of(run_key))
        for (rate, images, run_key), guards in found.items()
    ]


def _ordered(named: dict) -> dict:
    order = {name: k for k, name in enumerate(SEVEN_NAMES)}
    place = lambda name: (order.get(name.split(WEIGHTS_MARK)[0], len(order)), name)  # noqa: E731
    return dict(sorted(named.items(), key=lambda item: place(item[0])))
