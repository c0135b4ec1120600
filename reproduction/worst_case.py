"""The worst case over stored FGSM, PGD and MIM: an image is right where it stays right under every one of them.

All are judged under the same draw of z, a function of seed and image.
"""

import numpy as np

from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.reporting.common_images import by_position, right_on_common_images
from deepbayes.experiments.reporting.tables import Table
from deepbayes.experiments.settings.attack_plan import changed_options
from deepbayes.reference.published import PAPER_CLASSIFIERS
from deepbayes.reproduction.comparability import PAPERS_IMAGES
from deepbayes.reproduction.required_runs import PROTOCOL

_ATTACKS = ("fgsm", "pgd", "mim")
_ALL = "all of them"


def worst_case(results: list[dict], dataset: str) -> Table:
    """Accuracy in % under each attack on the classifier itself and under all, by classifier and eps; protocol paper.

    All stand on the test images that every one of these runs holds; left out is an eps that one of the three was not
    run at.
    """
    rights, n = _rights(results, dataset)
    heads = sorted(
        {label for of in rights.values() for label in of}, key=lambda label: (_ATTACKS.index(label[0]), label)
    )
    rows = []
    for (name, eps), of in sorted(rights.items(), key=lambda item: (PAPER_CLASSIFIERS.index(item[0][0]), item[0][1])):
        of[_ALL] = np.all(list(of.values()), axis=0)
        rows.append([f"{name}, eps {eps:g}", *(f"{100 * of[h].mean():.0f}" if h in of else "" for h in [*heads, _ALL])])
    widest = rate(n // 2, n)
    half = 50 * (widest["high"] - widest["low"])
    caption = f"Accuracy in % on the same {n} test images (95 % intervals at most +-{half:.0f} points)."
    return Table("Worst case over attacks", ["", *map(_said, heads), _ALL], rows, caption)


def _rights(results: list[dict], dataset: str) -> tuple[dict[tuple, dict[tuple, np.ndarray]], int]:
    """(classifier, eps) -> attack -> which of the n common images stay right; and n."""
    labels, runs = {}, {}
    for result in sorted(results, key=lambda r: r["settings"]["num_images"]):  # of the same attack the largest counts
        s = result["settings"]
        run = s["dataset"], s["protocol"]["name"], s["seed"], s.get("samples"), s.get("targeted", False)
        if (
            run != (dataset, PROTOCOL, 0, 10, False)
            or s["victim"] not in PAPER_CLASSIFIERS
            or {"detection", "through", "left_out", "known_noise"} & s.keys()
        ):
            continue
        total = PAPERS_IMAGES[dataset]
        if s["attack"] == "clean":
            labels |= by_position(result["labels"], s["num_images"], total)
        elif s["attack"] in _ATTACKS:
            key = s["victim"], s["eps"], (s["attack"], *sorted(changed_options(s).items()))
            runs[key] = by_position(result["predictions"], s["num_images"], total)
    kinds = {}
    for *at, (attack, *_) in runs:
        kinds.setdefault(tuple(at), set()).add(attack)
    runs = {(*at, attack): of for (*at, attack), of in runs.items() if kinds[tuple(at)] == {*_ATTACKS}}
    common, rights = right_on_common_images(runs, labels)
    found = {}
    for (name, eps, attack), right in rights.items():
        found.setdefault((name, eps), {})[attack] = right
    return found, len(common)


def _said(label: tuple) -> str:
    name, *changed = label
    return ", ".join([name.upper(), *(f"{option} {value}" for option, value in changed)])
