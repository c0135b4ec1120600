"""Attacks, their options, and detectors as tables, from their registries."""

from deepbayes.attacks.registry import ATTACKS, Option
from deepbayes.detect.registry import DETECTORS
from deepbayes.documentation.markdown import cell, code_cell, table
from deepbayes.experiments.settings.attack_plan import flag
from deepbayes.experiments.settings.protocol import PROTOCOLS

_USES = {"gradient": "the gradient of the logits", "scores": "the logits alone", "nothing": "nothing"}


def overview() -> str:
    """A row an attack: title, budget, what the attacker uses, usual images, source."""
    rows = []
    for a in ATTACKS.values():
        norm = f" ({a.norm})" if a.norm else ""
        grid = " ".join(f"{v:g}" for v in a.grid) or "[the data set's](data-sets.md)"
        rows.append([f"[`{a.name}`](#{a.name})", cell(a.title), f"`{a.parameter}`{norm}", grid, _USES[a.needs],
                     str(a.images), cell(a.source)])  # fmt: skip
    heads = ["command", "attack", "budget", "usual budgets", "the attacker uses", "images", "source"]
    return table(heads, rows, numbers=(5,))


def options(name: str) -> str:
    """The option table of one attack: default by protocol, allowed values, meaning.

    Raises:
      KeyError: an unknown attack.
    """
    attack = ATTACKS[name]
    budget = f"Budget: `--{attack.parameter}` ({cell(attack.meaning)})."
    if not attack.options:
        return f"{budget} No options of its own."
    rows = [[code_cell(f"--{flag(o.name)}"), _default(o), _allowed(o), cell(o.help)] for o in attack.options]
    return f"{budget}\n\n" + table(["option", "default", "values", "meaning"], rows)


def detectors() -> str:
    """A row a detector: statistic, thresholds, the signals that it reads."""
    rows = []
    for d in DETECTORS.values():
        thresholds = "one a class" if d.by_class else "one"
        rows.append([f"`{d.name}`", code_cell(d.formula), thresholds, ", ".join(sorted(d.reads)), cell(d.source)])
    return table(["detector", "statistic", "thresholds", "signals", "source"], rows)


def _default(option: Option) -> str:
    """The default, with those of protocols that have another one."""
    others: dict[object, list[str]] = {}
    for protocol in PROTOCOLS:
        if option.under(protocol) != option.default:
            others.setdefault(option.under(protocol), []).append(protocol)
    return "; ".join([f"`{option.default}`", *(f"`{v}` under {' and '.join(of)}" for v, of in others.items())])


def _allowed(option: Option) -> str:
    if option.choices:
        return ", ".join(f"`{c}`" for c in option.choices)
    kind = "whole number" if isinstance(option.default, int) else "number"
    word = f", or `{option.word}`" if option.word else ""
    return f"{kind}, at least {option.least:g}{word}"
