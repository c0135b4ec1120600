"""`checks`: is an evaluation of a classifier's robustness to be believed? A table of tests that a weak attack fails.

After Carlini et al. (arXiv 1902.06705) and Athalye et al. (arXiv 1802.00420). All attacks see the very noise that they
are evaluated with, but where a line says otherwise, so that comparisons are image by image. A line passes when the
attack that should be at least as strong loses no more than 1 % of the images, or one image. A flag says that the
robustness shown is not to be believed before it is explained.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.clean_accuracy import measure_clean
from deepbayes.experiments.measurements.context import Context, open_context
from deepbayes.experiments.measurements.craft import cost
from deepbayes.experiments.measurements.progress import bar, say, step_done
from deepbayes.experiments.runs.attack import AttackRun
from deepbayes.experiments.runs.transfer import matrix
from deepbayes.experiments.settings.attack_plan import Plan, make_plan
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.classifier import Classifier

PASS, FLAG, NOT_APPLICABLE = "pass", "flag", "n/a"
EOT_IMAGES = 20
_ALMOST_ALL = 0.95


@dataclass(frozen=True)
class Line:
    """One check: what was tested, its verdict, the figure it rests on, and n."""

    check: str
    verdict: str
    figure: str
    n: int


def grid_of(dataset: str) -> tuple[float, ...]:
    """The three smallest eps of the data set's grid; most lines are about the middle one."""
    return DATASETS[dataset].eps_grid[:3]


def plans(dataset: str, protocol: str, stochastic: bool) -> dict[str, Plan]:
    """The attacks that the lines compare, by name; `fresh` and `eot` face noise they do not know."""

    grid = grid_of(dataset)

    def plan(attack, grid=grid[1:2], known_noise=True, **options):
        return make_plan(attack, dataset, protocol, grid=grid, known_noise=known_noise, **options)

    found = {
        "fgsm": plan("fgsm"),
        "pgd": plan("pgd", grid),
        "mim": plan("mim"),
        "twice": plan("pgd", steps=2 * plan("pgd").options["steps"]),
        "restarts": plan("pgd", restarts=5),
        "unbounded": plan("pgd", (1.0,), steps=100, step_size=0.05),
        "square": plan("square", queries=300),
    }
    if stochastic:
        found |= {"fresh": plan("pgd", known_noise=False), "eot": plan("pgd", known_noise=False, eot=10)}
    return found


def run(settings: RunSettings) -> list[dict]:
    """A table of lines for every classifier."""
    context = open_context(settings)
    loaders = context.classifiers()
    victims, found = [], {}
    everything = plans(context.dataset, context.protocol.name, True)
    per_victim = sum(cost(p) * len(p.grid) for p in everything.values()) * len(context.images)
    with bar(per_victim * len(loaders)) as progress:
        for k, (name, load) in enumerate(loaders):
            progress.describe(f"{name}: attacks that are compared")
            victims.append(load())
            found[victims[-1].name] = _attacks(context, victims[-1], progress.advance)
            progress.rewind(per_victim * (k + 1))
    weakest = _transfer(context, victims, found)
    results = []
    for victim in victims:
        lines = [*check(context, victim, found[victim.name]), weakest[victim.name]]
        identity = {"attack": "checks", "victim": victim.name} | context.settings() | victim.settings
        if beside := [v.name for v in victims if v is not victim]:  # whose images one line compares
            identity["beside"] = beside
        content = {
            "n": len(context.images),
            "eps": grid_of(context.dataset)[1],
            "lines": [asdict(line) for line in lines],
        }
        results.append(context.store.write(identity, content))
    return results


def _attacks(context: Context, victim: Classifier, advance) -> dict[str, list[dict]]:
    """Name of the plan -> results, the clean one first."""
    found = {}
    for name, plan in plans(context.dataset, context.protocol.name, victim.stochastic).items():
        where = context.first(EOT_IMAGES) if name == "eot" else context
        needed = frozenset({"x_adv"}) if name == "pgd" else frozenset()
        found[name] = AttackRun(where, victim, plan, needed, advance=advance, quiet=True).results()
        step_done(f"{victim.name}: attack {name!r}")
    say(f"{victim.name}: {len(found)} attacks done")
    return found


def _transfer(context: Context, victims: list[Classifier], found: dict) -> dict[str, Line]:
    """Whether each victim's own adversarial images fool it at least as often as any other's."""
    name = "own images fool it most (transfer)"
    if len(victims) < 2:
        return {v.name: Line(name, NOT_APPLICABLE, "one classifier only", 0) for v in victims}
    eps = grid_of(context.dataset)[1]
    single = make_plan("pgd", context.dataset, context.protocol.name, grid=(eps,), known_noise=True)
    lines = {}
    cells = matrix(context, single, victims)
    for victim in victims:
        wrong = {
            r["settings"]["through"]["source"]: _failures(r)
            for r in cells
            if r["settings"]["victim"] == victim.name and "through" in r["settings"]
        }
        own, (source, most) = _failures(_at(found[victim.name]["pgd"], eps)), max(wrong.items(), key=lambda i: i[1])
        n = len(context.images)
        verdict = _at_least(own, most, n)
        lines[victim.name] = Line(name, verdict, f"own {own}, the most of another's ({source}) {most}", n)
    return lines


def check(context: Context, victim: Classifier, found: dict[str, list[dict]]) -> list[Line]:
    """The lines that need one victim alone."""
    images, n, grid = context.images, len(context.images), grid_of(context.dataset)
    pgd = {v: _failures(_at(found["pgd"], v)) for v in grid}
    wrong = {name: _failures(results[-1]) for name, results in found.items() if name != "pgd"}
    at = pgd[grid[1]]
    rising = all(_at_least(pgd[b], pgd[a], n) == PASS for a, b in pairwise(grid))
    lines = [
        Line("success rises with eps (PGD)", PASS if rising else FLAG, _list(pgd), n),
        Line("PGD at least as strong as FGSM", _at_least(at, wrong["fgsm"], n), f"{at} against {wrong['fgsm']}", n),
        Line("MIM at least as strong as FGSM", _at_least(wrong["mim"], wrong["fgsm"], n),
             f"{wrong['mim']} against {wrong['fgsm']}", n),
        Line("twice the steps change nothing", _at_least(at, wrong["twice"], n), f"{at}, then {wrong['twice']}", n),
        Line("5 restarts change nothing", _at_least(at, wrong["restarts"], n), f"{at}, then {wrong['restarts']}", n),
        Line("eps 1 leaves about nothing", PASS if wrong["unbounded"] >= _ALMOST_ALL * n else FLAG,
             f"{wrong['unbounded']} fooled by 100 steps of .05", n),
        _gradients(found, n),
        _logits(context, victim),
        Line("gradient-free not stronger", _at_least(at, wrong["square"], n), f"PGD {at}, Square {wrong['square']}", n),
    ]  # fmt: skip
    if victim.stochastic:
        m = found["eot"][-1]["n"]
        rows = np.isin(images.index, context.first(EOT_IMAGES).images.index)
        one = int(np.sum((np.array(found["fresh"][-1]["predictions"]) != images.y)[rows]))
        lines += [
            Line("known noise at least as strong as fresh", _at_least(at, wrong["fresh"], n),
                 f"{at} against {wrong['fresh']}", n),
            Line("EOT 10 not stronger than EOT 1 (fresh noise)", _at_least(one, wrong["eot"], m),
                 f"{one}, then {wrong['eot']}", m),
        ]  # fmt: skip
    else:
        lines += [
            Line(name, NOT_APPLICABLE, "deterministic", 0)
            for name in ("known noise at least as strong as fresh", "EOT 10 not stronger than EOT 1 (fresh noise)")
        ]
    return [*lines, _audit(found, n)]


def _gradients(found, n: int) -> Line:
    zero = found["fgsm"][-1]["unmoved"]["count"]
    return Line("no gradient is zero", PASS if zero <= 0.01 * n else FLAG, f"{zero} zero gradients", n)


def _logits(context: Context, victim: Classifier) -> Line:
    """Margins in nats of the clean images, from logits that must not be probabilities."""
    clean = context.store.arrays(measure_clean(context, victim, needed=True))["logits"]
    top = np.sort(clean, axis=1)
    low, middle, high = np.quantile(top[:, -1] - top[:, -2], (0.05, 0.5, 0.95))
    probabilities = clean.min() >= 0 and np.allclose(clean.sum(axis=1), 1, atol=1e-3)
    figure = f"margins {low:.1f}, {middle:.1f}, {high:.1f} nats (5, 50, 95 %)"
    return Line("logits, not probabilities", FLAG if probabilities else PASS, figure, len(clean))


def _audit(found, n: int) -> Line:
    """Budget and range over all results; a result that breaks them would not have been stored."""
    results = [r for results in found.values() for r in results[1:]]
    excess = max(r["audit"]["max_change"] - r["settings"]["eps"] for r in results)
    low, high = min(r["audit"]["min_pixel"] for r in results), max(r["audit"]["max_pixel"] for r in results)
    verdict = PASS if excess <= 1e-6 and low >= 0 and high <= 1 else FLAG
    return Line("budget and pixel range kept", verdict, f"excess {excess:.0e}, pixels {low:g} to {high:g}", n)


def _failures(result: dict) -> int:
    return result["n"] - result["accuracy"]["count"]


def _at(results: list[dict], eps: float) -> dict:
    return next(r for r in results[1:] if r["settings"]["eps"] == eps)


def _at_least(strong: int, weak: int, n: int) -> str:
    """PASS unless the attack that should be stronger fools fewer images, by more than 1 % and one image."""
    return PASS if weak - strong <= max(1, 0.01 * n) else FLAG


def _list(counts: dict) -> str:
    return ", ".join(f"eps {v:g}: {c}" for v, c in counts.items())
