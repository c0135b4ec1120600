"""Tables over several results of a classifier: minimum perturbations, and the worst case over attacks, by image."""

from collections.abc import Iterable, Mapping

import numpy as np

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.reporting.tables import Group, Table
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.rate import Rate

BEYOND = 0.1
"""Added to the largest eps for an image that no eps of the grid fools (paper, section 4.1)."""


def minimum_perturbations(clean: Mapping, by_value: dict[float, Mapping], only_right_before: bool) -> np.ndarray:
    """The smallest eps of the grid at which each image is misclassified, the largest + .1 where none is.

    Args:
      only_right_before: leave out images that are wrong without an attack; 2019 counts them as fooled at once.
    """
    y, grid = np.array(clean["labels"]), sorted(by_value)
    wrong = np.stack([np.array(by_value[v]["predictions"]) != y for v in grid])
    smallest = np.where(wrong.any(axis=0), np.array(grid)[wrong.argmax(axis=0)], grid[-1] + BEYOND)
    return smallest[np.array(clean["predictions"]) == y] if only_right_before else smallest


def half_interval(values: np.ndarray) -> float:
    """Half the 95 % interval of their mean."""
    return float(1.96 * values.std() / np.sqrt(len(values)))


def minimum_table(group: Group) -> Table | None:
    """Mean and median of the minimum perturbation, for an Linf attack over a grid; None for others."""
    if ATTACKS[group.attack].norm != "Linf" or len(group.grid) < 2 or group.targeted:
        return None
    rows, only_right_before = [], PROTOCOLS[group.protocol].detection.only_right_before
    for name, (clean, by_value) in group.victims.items():
        if clean.labels is None or sorted(by_value) != group.grid:
            continue
        found = minimum_perturbations(clean, by_value, only_right_before)
        cells = ["n/a"] * 3
        if len(found):
            cells = [f"{found.mean():.3f}", f"+-{half_interval(found):.3f}", f"{np.median(found):.2f}"]
        rows.append([name, *cells, str(len(found))])
    if not rows:
        return None
    which = (
        "images that are right without an attack"
        if only_right_before
        else "all images, also those wrong before the attack"
    )
    caption = (
        f"The smallest eps of the grid at which an image is misclassified; {group.grid[-1] + BEYOND:g} where no eps "
        f"fools it. Based on {which}{group.how}, {group.where}"
    )
    heads = ["classifier", "mean", "95 %", "median", "n"]
    return Table(f"{group.title}: minimum perturbation (Linf)", heads, rows, caption)


def worst_case_tables(groups: Iterable[Group]) -> list[tuple[list[Group], Table]]:
    """For every run with several untargeted Linf attacks, those, and the share of images that none fools, by eps."""
    runs: dict[tuple, dict[int | None, list[Group]]] = {}
    for g in groups:
        known = any(name == "known_noise" for name, _ in g.changed)
        if g.attack != "clean" and ATTACKS[g.attack].norm == "Linf" and not g.targeted and not known:
            by_samples = runs.setdefault((g.dataset, g.protocol, g.seed, g.n, g.left_out), {})
            by_samples.setdefault(g.samples, []).append(g)
    found = []
    for by_samples in runs.values():
        without = by_samples.pop(None, []) if len(by_samples) > 1 else []  # victims without samples, as in other tables
        found += [members + without for members in by_samples.values()]
    return [(members, _worst_case(members)) for members in found if len(members) > 1]


def _worst_case(members: list[Group]) -> Table:
    names = list(dict.fromkeys(name for g in members for name in g.victims))
    grid = sorted({v for g in members for v in g.grid})
    rows, attacks = [], [g.title.lower() + g.how for g in members]
    for name in names:
        cells = []
        for value in grid:
            found = [g.victims[name] for g in members if name in g.victims and value in g.victims[name][1]]
            found = [(clean, by_value[value]) for clean, by_value in found if clean.labels is not None]
            found = list({r.key: (clean, r) for clean, r in found}.values())  # one result may stand in two groups
            if not found:
                cells.append("-")
                continue
            right = np.all([r.predictions == clean.labels for clean, r in found], axis=0)
            cells.append(f"{Rate.of(right.sum(), len(right)).percent()} ({len(found)})")
        rows.append([name, *cells])
    caption = (
        f"The share of images that no attack fools, in %. In brackets: the number of attacks. Attacks: "
        f"{'; '.join(attacks)}. Based on {members[0].where}"
    )
    return Table("Worst case over attacks", ["classifier", *(f"eps {v:g}" for v in grid)], rows, caption)
