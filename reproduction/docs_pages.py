"""The measured parts of README.md and of the pages in docs/, from the results that come with the project.

A measured part stands between `<!-- measured: NAME -->` and `<!-- end -->`. This command writes every part again:
`python -m deepbayes.reproduction.docs_pages`. A test compares every page with the results.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from deepbayes import ROOT
from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.settings.attack_plan import changed_options, value_of
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.files import atomic
from deepbayes.reference.published import PAPER_CLASSIFIERS, Key, published_values
from deepbayes.reproduction.collect import COMMITTED, accepted_estimates, best, figures_of
from deepbayes.reproduction.comparability import IN_KEYS
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, WITHIN
from deepbayes.reproduction.estimates import key_of
from deepbayes.reproduction.paper_tables import tables_of
from deepbayes.reproduction.regression import report as regression_report
from deepbayes.reproduction.regression.command import compared
from deepbayes.reproduction.worst_case import worst_case

_TITLES = {
    "clean": "none", "fgsm": "FGSM", "pgd": "PGD", "mim": "MIM", "cw": "CW", "wbs_none": "WB+S", "wbs_logit": "WB+S",
    "transfer_pgd": "PGD, transfer", "greybox_pgd": "PGD, grey box",
}  # fmt: skip
"""Attacks in the order of the verdict's rows, as published figures' keys name them."""
_PART = re.compile(r"<!-- measured: ([^>]+?) -->.*?<!-- end -->", re.DOTALL)


def pages() -> list[Path]:
    """Every page with a measured part: README.md, and what docs/ holds."""
    there = [*ROOT.glob("README.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in there if _PART.search(page.read_text())]


def filled(text: str) -> str:
    """The text with its measured parts as the results have them.

    Raises:
      KeyError: a part of an unknown name.
    """
    return _PART.sub(_filled, text)


def _filled(part: re.Match) -> str:
    kind, _, of = part[1].partition(" ")
    content = _PARTS[kind](of).strip()
    apart = "\n\n" if "\n" in content else ""
    return f"<!-- measured: {part[1]} -->{apart}{content}{apart}<!-- end -->"


def table(name: str) -> str:
    """A table of the paper beside ours."""
    place = f"Table {name}"
    return "\n".join(t.markdown() for t in tables_of(place, figures_of(place), _estimates()))


def figure(name_and_metric: str) -> str:
    """One metric of a figure of the paper as a table, such as "5 l2_mean"; of attacks that have results alone."""
    name, metric = name_and_metric.split()
    estimates, figures = _estimates(), [f for f in figures_of(f"Figure {name}") if f.key.metric == metric]
    measured = {f.key.attack for f in figures if f.key in estimates}
    shown = tables_of(f"Figure {name}", [f for f in figures if f.key.attack in measured], estimates)
    return "\n".join(t.markdown() for t in shown)


def accuracy(attack: str) -> str:
    """Rows of "93.6 (94.2)", ours and the paper's, over MNIST's eps."""
    heads = [attack.upper(), *(f"eps {eps:g}" for eps in DATASETS["mnist"].eps_grid)]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    estimates, paper = _estimates(), published_values()
    for name in PAPER_CLASSIFIERS:
        keys = [Key("mnist", name, attack, f"eps={e:g}", "accuracy_percent") for e in DATASETS["mnist"].eps_grid]
        cells = [f"{estimates[k].value:.1f} ({paper[k]:.1f})" if k in estimates else "" for k in keys]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def runs(_: str) -> str:
    """What was run: a row an attack, its number of images and the classifiers that share its budgets.

    Hours are an attack's where its images were made, and of every evaluation; those of GPUs are named so.

    Raises:
      ValueError: a result of an unknown kind of device.
    """
    budgets, seconds = {}, {}
    for result in _results():
        s = result["settings"]
        if s["attack"] == "clean" or "detection" in s:
            continue
        run = _order(s), _label(s), s["num_images"]
        budgets.setdefault(run, {}).setdefault(s["victim"], set()).add(value_of(s))
        moved = s.get("through", {}).get("kind") == "transfer"
        took = result["seconds"]["evaluation"] + (0 if moved else result["seconds"]["attack"])
        count, unit = processors(result["device"])
        seconds.setdefault(run, Counter())[unit] += count * took
    lines = ["| attack | images | budgets | classifiers | core-hours |", "|---|---:|---|---|---:|"]
    for run in sorted(budgets):
        shared: dict[frozenset, list[str]] = {}
        for victim in filter(budgets[run].get, PAPER_CLASSIFIERS):
            shared.setdefault(frozenset(budgets[run][victim]), []).append(victim)
        (_, label, n), took = run, _hours(seconds[run], 2)
        for values, names in shared.items():
            who = "all" if len(names) == len(PAPER_CLASSIFIERS) else ", ".join(names)
            lines.append(f"| {label} | {n:,} | {', '.join(f'{v:g}' for v in sorted(values))} | {who} | {took} |")
            took = ""
    return "\n".join([*lines, f"| together | | | | {_hours(sum(seconds.values(), Counter()), 1)} |"])


def processors(device: str) -> tuple[int, str]:
    """Of a result's device: (4, "core") of "CPU (4 cores)", (1, "GPU") of "1 GPU (NVIDIA A100), XLA".

    Raises:
      ValueError: another kind of device.
    """
    if found := re.match(r"CPU \((\d+) cores?\)|(\d+) GPU \(", device):
        return int(found[1] or found[2]), "core" if found[1] else "GPU"
    raise ValueError(f"{device!r} is no device that results name: CPU (2 cores), or 1 GPU (name), XLA")


def _hours(seconds: Counter, digits: int) -> str:
    """ "0.28" core-hours, "0.28 + 0.10 GPU" where some are a GPU's."""
    cells = [f"{seconds[unit] / 3600:.{digits}f}{suffix}" for unit, suffix in (("core", ""), ("GPU", " GPU"))
             if unit in seconds]  # fmt: skip
    return " + ".join(cells)


def _order(settings: dict) -> tuple:
    """Attacks on the classifier itself first, in the registry's order."""
    return settings.get("through", {}).get("kind", ""), list(ATTACKS).index(settings["attack"])


def _label(settings: dict) -> str:
    """ "pgd", "greybox pgd", "wbs logit, lambda 0.1", "mim, steps 100"."""
    key = key_of(settings, "")
    changed = {n: v for n, v in changed_options(settings).items() if n not in IN_KEYS}
    changed |= {"lambda": f"{key.lambda_:g}"} if key.lambda_ else {}
    return ", ".join([key.attack.replace("_", " "), *(f"{n} {v}" for n, v in changed.items())])


def summary(_: str) -> str:
    """How many figures of each kind are within, outside, known to differ and not comparable."""
    where = "The results that come with the project against the paper"
    return regression_report.summary(_comparisons(), where).markdown()


def listing(title: str) -> str:
    """One of the regression's lists: "Outside", "Known", "Why known", "Not comparable"."""
    tables = [t for t in regression_report.listings(_comparisons()) if t.title == title]
    return tables[0].markdown() if tables else "None."


def count(what: str) -> str:
    """How many are "within", "outside", "known", "comparable" (all three), "not"; "within pgd": of its accuracies."""
    verdict, _, attack = what.partition(" ")
    wanted = {v: (v,) for v in (WITHIN, OUTSIDE, KNOWN)}
    wanted |= {"comparable": (WITHIN, OUTSIDE, KNOWN), "not": (INCOMPARABLE,)}
    keys = [c.estimate.key for c in _comparisons() if c.verdict in wanted[verdict]]
    if attack:
        keys = [key for key in keys if (key.attack, key.metric) == (attack, "accuracy_percent")]
    return str(len(keys))


def verdict(_: str) -> str:
    """A row an attack: "32 of 35", the comparable figures within tolerance, by accuracy, detection and size."""
    kinds = ("accuracy", "detection rate", "perturbation size")
    titles = _TITLES | {a: a.replace("_", " ") for c in _comparisons() if (a := c.estimate.key.attack) not in _TITLES}
    counts: dict[str, dict[str, Counter]] = {title: {} for title in [*titles.values(), "all"]}
    for c in _comparisons():
        for title in (titles[c.estimate.key.attack], "all"):
            counts[title].setdefault(_kind_of(c.estimate.key.metric), Counter())[c.verdict] += 1
    lines = [f"| attack | {' | '.join(kinds)} | all | not comparable |", "|---|" + "---:|" * (len(kinds) + 2)]
    for title, of in counts.items():
        together = sum(of.values(), Counter())
        cells = [_share(of.get(kind, Counter())) for kind in kinds]
        cells += [_share(together), str(together[INCOMPARABLE] or "")]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _kind_of(metric: str) -> str:
    """The column of a metric in the verdict."""
    if metric.endswith("accuracy_percent"):
        return "accuracy"
    return "detection rate" if metric.startswith("tp_") else "perturbation size"


def _share(verdicts: Counter) -> str:
    """ "32 of 35", or "" where nothing is comparable."""
    comparable = verdicts[WITHIN] + verdicts[OUTSIDE] + verdicts[KNOWN]
    return f"{verdicts[WITHIN]} of {comparable}" if comparable else ""


def worst(which: str) -> str:
    """What stays right under all of FGSM, PGD and MIM: the whole table, or a classifier's rows ("GBZ").

    "short" is a row a classifier, beside PGD alone.
    """
    whole = worst_case(_results(), "mnist")
    if which in PAPER_CLASSIFIERS:
        rows = [row for row in whole.rows if row[0].startswith(f"{which}, ")]
        return replace(whole, title=f"Worst case of {which}", rows=rows).markdown()
    if which != "short":
        return whole.markdown()
    cells: dict[str, dict[str, str]] = {}
    for place, *shares in whole.rows:
        name, eps = place.split(", ")
        cells.setdefault(name, {})[eps] = f"{shares[-1]} ({shares[whole.heads.index('PGD') - 1]})"
    heads = list(cells[PAPER_CLASSIFIERS[0]])
    lines = ["| all attacks (PGD alone) | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(of.values())} |" for name, of in cells.items())])


_PARTS: dict[str, Callable[[str], str]] = {
    "table": table, "figure": figure, "accuracy": accuracy, "runs": runs, "summary": summary, "listing": listing,
    "count": count, "verdict": verdict, "worst": worst,
}  # fmt: skip


@cache
def _results():
    return ResultsStore(COMMITTED).all()


@cache
def _estimates():
    return best(accepted_estimates(COMMITTED))


@cache
def _comparisons():
    return compared([COMMITTED])[0]


if __name__ == "__main__":
    for file in pages():
        text = filled(file.read_text())
        with atomic(file) as temporary:
            temporary.write_text(text)
