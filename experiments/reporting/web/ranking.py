"""Classifiers ranked by their worst case: an image is right where it stays right under every attack that was run.

Counted are untargeted Linf attacks on the classifier itself that aim at its accuracy alone. Left out are attacks that
know the noise, attacks that evade detectors, and images made against another model.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS, caveat
from deepbayes.experiments.reporting.common_images import by_position, right_on_common_images
from deepbayes.experiments.reporting.grouping import in_usual_order
from deepbayes.experiments.reporting.web.rows import attack_run
from deepbayes.experiments.store.identity import attacks, namer
from deepbayes.experiments.store.rate import Rate
from deepbayes.experiments.store.result import AttackResult, CleanResult, Result


@dataclass(frozen=True)
class WorstCase:
    """Of a classifier at one eps. attacks: those counted, in words; accuracy: on the images that all of them share."""

    accuracy: Rate
    attacks: tuple[str, ...]
    seconds: float

    @property
    def basis(self) -> tuple[int, int]:
        """Numbers of images and of attacks."""
        return self.accuracy.n, len(self.attacks)


@dataclass(frozen=True)
class Ranked:
    """A classifier of a ranking.

    Attributes:
      ranks: first and last rank that the 95 % intervals allow; None where the classifier is not ranked.
      missing: attacks that more than half of the classifiers faced at the ranking's eps and this one did not.
      by_eps: its worst cases.
    """

    name: str
    ranks: tuple[int, int] | None
    missing: tuple[str, ...]
    by_eps: dict[float, WorstCase]

    @property
    def hours(self) -> float:
        """Of its attacks and their evaluation, all eps together."""
        return sum(case.seconds for case in self.by_eps.values()) / 3600


@dataclass(frozen=True)
class Ranking:
    """Classifiers that were attacked under the same conditions.

    Attributes:
      samples: K; None where no classifier has samples. eps: at which they are ranked. grid: all eps.
      classifiers: ranked ones first.
    """

    dataset: str
    protocol: str
    samples: int | None
    seed: int
    n: int | None
    eps: float
    grid: tuple[float, ...]
    classifiers: tuple[Ranked, ...]

    @property
    def note(self) -> str:
        """What whoever reads it must know of the images, or ""."""
        return caveat(self.dataset)

    @property
    def attacks(self) -> tuple[str, ...]:
        """All attacks counted at the ranking's eps."""
        counted = (a for c in self.classifiers if self.eps in c.by_eps for a in c.by_eps[self.eps].attacks)
        return tuple(dict.fromkeys(counted))

    def usual(self, eps: float) -> tuple[int, int]:
        """Numbers of images and of attacks that most classifiers have at this eps."""
        return Counter(c.by_eps[eps].basis for c in self.classifiers if eps in c.by_eps).most_common(1)[0][0]

    @property
    def compared(self) -> tuple[float, ...]:
        """All eps at which as many attacks were run on most classifiers as at the ranking's."""
        return tuple(eps for eps in self.grid if self.usual(eps)[1] >= self.usual(self.eps)[1])


def rankings(results: Iterable[Result]) -> list[Ranking]:
    """A ranking a data set, protocol, seed and K; a classifier without samples stands in all of its data set's."""
    results = in_usual_order(sorted(results, key=lambda r: (r.num_images, r.key)))
    evaluated = [r for r in results if isinstance(r, CleanResult | AttackResult) and not r.settings.get("left_out")]
    name_of, labels = namer(evaluated), {}
    for clean in (r for r in evaluated if isinstance(r, CleanResult) and r.labels is not None):
        labels.setdefault(_conditions(clean)[:-1], {}).update(_by_position(clean, clean.labels))
    found: dict[tuple, dict[str, dict]] = {}
    for _, result in attacks(evaluated):
        if _counts(result):
            name = name_of(result.settings, result.classifier)
            by_eps = found.setdefault(_conditions(result), {}).setdefault(name, {})
            run = attack_run(result)  # of the same attack the result of the most images, which comes last, counts
            by_eps.setdefault(result.value, {})[f"{run.title}{run.how}"] = result
    _merge_without_samples(found)
    ranked = [_ranking(of, names, labels.get(of[:-1], {})) for of, names in found.items()]
    return sorted((r for r in ranked if r), key=lambda r: (r.dataset, r.protocol, r.samples or 0, r.seed, r.n or 0))


def _conditions(result: Result) -> tuple:
    """What classifiers must share to be compared: K last. n counts where the data set's size is not known."""
    known = result.dataset in DATASETS and DATASETS[result.dataset].test_images
    n = None if known else result.num_images
    return result.dataset, result.protocol, result.seed, n, str(result.settings.get("data_sha256", "")), result.samples


def _counts(result: Result) -> bool:
    """Whether a result is of an attack on the classifier's accuracy by eps alone."""
    attack = ATTACKS[result.attack]
    s = result.settings
    return (
        isinstance(result, AttackResult)
        and attack.norm == "Linf"
        and not attack.evades_detectors
        and not (result.through or s.get("targeted") or s.get("known_noise"))
    )


def _by_position(result: Result, values) -> dict[int, int]:
    total = DATASETS[result.dataset].test_images if result.dataset in DATASETS else 0
    return by_position(values, result.n, max(total, result.n))


def _merge_without_samples(found: dict[tuple, dict]) -> None:
    """Moves classifiers without samples, whose K is None, to those of every K."""
    for alone in [of for of in found if of[-1] is None]:
        others = [of for of in found if of[-1] is not None and of[:-1] == alone[:-1]]
        for other in others:
            found[other] |= found[alone]
        if others:
            del found[alone]


def _ranking(of: tuple, names: dict[str, dict], labels: dict[int, int]) -> Ranking | None:
    dataset, protocol, seed, n, _, samples = of
    cases = {name: _worst_cases(by_eps, labels) for name, by_eps in names.items()}
    cases = {name: by_eps for name, by_eps in cases.items() if by_eps}
    if not cases:
        return None
    grid = tuple(sorted({eps for by_eps in cases.values() for eps in by_eps}))
    eps = min(grid, key=lambda e: (-len(_all_at(cases, e)), -len(_usual_at(cases, e)), e))
    usual, there = _usual_at(cases, eps), _all_at(cases, eps)
    lacking = {name: tuple(a for a in usual if a not in case.attacks) for name, case in there.items()}
    compared = {name: case.accuracy for name, case in there.items() if not lacking[name]}
    ranked = [
        Ranked(name, _ranks(name, compared) if name in compared else None, lacking.get(name, usual), by_eps)
        for name, by_eps in cases.items()
    ]
    ranked.sort(key=lambda c: (c.ranks is None, -c.by_eps[eps].accuracy.rate if eps in c.by_eps else 1))
    return Ranking(dataset, protocol, samples, seed, n, eps, grid, tuple(ranked))


def _worst_cases(by_eps: dict[float, dict[str, AttackResult]], labels: dict[int, int]) -> dict[float, WorstCase]:
    found = {}
    for eps, by_attack in by_eps.items():
        said = {attack: _by_position(r, r.predictions) for attack, r in by_attack.items()}
        common, rights = right_on_common_images(said, labels)
        if common:
            right = sum(all(of[k] for of in rights.values()) for k in range(len(common)))
            seconds = sum(r.seconds for r in by_attack.values())
            order = sorted(by_attack, key=lambda label: (list(ATTACKS).index(by_attack[label].attack), label))
            found[eps] = WorstCase(Rate.of(right, len(common)), tuple(order), seconds)
    return found


def _all_at(cases: dict[str, dict[float, WorstCase]], eps: float) -> dict[str, WorstCase]:
    return {name: by_eps[eps] for name, by_eps in cases.items() if eps in by_eps}


def _usual_at(cases: dict[str, dict[float, WorstCase]], eps: float) -> tuple[str, ...]:
    """Attacks that more than half of the classifiers faced at this eps."""
    there = _all_at(cases, eps)
    counts = Counter(attack for case in there.values() for attack in case.attacks)
    return tuple(attack for attack, count in counts.items() if 2 * count > len(there))


def _ranks(name: str, rates: dict[str, Rate]) -> tuple[int, int]:
    own = rates[name]
    surely_better = sum(other.low > own.high for other in rates.values())
    surely_worse = sum(other.high < own.low for other in rates.values())
    return 1 + surely_better, len(rates) - surely_worse
