"""Published numbers that results are shown beside: reference/paper_2019.csv, each with its source in the paper."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().with_name("paper_2019.csv")
PAPER_CLASSIFIERS = ("GFZ", "GFY", "GBZ", "GBY", "DFZ", "DFX", "DBX")
"""The paper's seven deep Bayes classifiers, in the order of its tables."""
PAPER_OPTIONS = {"mnist": {"dim_z": 64}, "plane_frog": {"dim_z": 128}}
"""Data set -> options that the paper's classifiers have there unless a key says otherwise (bottleneck study, A.2)."""
CLASSIFIER_OPTIONS = tuple(dict.fromkeys(name for options in PAPER_OPTIONS.values() for name in options))
"""Options of classifiers that the paper varies."""
BUDGETS = ("eps", "c")
"""What a key calls the strength of an attack."""
PARAMETER_NAMES = (*BUDGETS, "lambda", "from", *CLASSIFIER_OPTIONS)
"""All that a key's parameter may name."""
WEIGHTS_MARK = "#"
"""Between a classifier's name and the hash of its weights, in tables with several of one name."""
SAME_CLASSIFIERS = {"mnist5k": "mnist"}
"""Data sets shown beside the paper's results on another one; captions say on which images those stand."""
PAPER_IMAGES = {
    "mnist": "the 10,000 official MNIST test images",
    "plane_frog": "the 1,577 of 2,000 CIFAR-binary test images that all its classifiers get right (clean: on all)",
}


class Budget(NamedTuple):
    """The strength of an attack: ("eps", 0.1), or ("c", 10.0)."""

    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}={self.value:g}"


class Key(NamedTuple):
    """What a figure is of.

    Attributes:
      attack: "clean", "pgd", "greybox_pgd", "blackbox_pgd", "transfer_pgd", "wbs_logit".
      parameter: "eps=0.1", "eps=0.2;lambda=1", "eps=0.1;dim_z=16", "eps=0.3;from=DBX", "all eps", "eps<=0.3"; "" for
        clean images. The latent size is named where it is not the data set's own. Read it by the properties below,
        write it by `key_parameter`.
      metric: "accuracy_percent", "student_accuracy_percent", "success_percent", "tp_marginal_percent",
        "tp_logit_percent", "tp_kl_percent" (true positives among successful attacks at 5 % false ones),
        "min_linf_mean", "min_linf_median" (of the smallest successful eps), "l2_mean" (of successful perturbations).
    """

    dataset: str
    classifier: str
    attack: str
    parameter: str
    metric: str

    @property
    def budget(self) -> Budget | None:
        """The budget of the attack; None for clean images and for figures over several budgets."""
        return next((Budget(name, float(v)) for name, v in self._named.items() if name in BUDGETS), None)

    @property
    def over_all_budgets(self) -> bool:
        """Whether the figure is over the whole grid of eps ("all eps"), such as a minimum perturbation."""
        return self.parameter.startswith("all ")

    @property
    def largest(self) -> float | None:
        """The largest eps of a figure over all eps up to that one ("eps<=0.3", Tables 1 and 2); None for others."""
        first, mark, value = self.parameter.split(";")[0].partition("<=")
        return float(value) if mark and first in BUDGETS else None

    @property
    def source(self) -> str:
        """The source model: the classifier whose adversarial images are moved to this one; "" where none is."""
        return self._named.get("from", "")

    @property
    def lambda_(self) -> float | None:
        """The weight of the detector's term in WB+S; None for other attacks."""
        return float(self._named["lambda"]) if "lambda" in self._named else None

    @property
    def classifier_options(self) -> dict[str, int]:
        """Options in which the classifier differs from the paper's usual one on this data set: {"dim_z": 16}."""
        return {name: int(v) for name, v in self._named.items() if name in CLASSIFIER_OPTIONS}

    @property
    def all_classifier_options(self) -> dict[str, int]:
        """With those that are the paper's usual ones; {} on a data set whose classifiers have none."""
        return PAPER_OPTIONS.get(self.dataset, {}) | self.classifier_options

    @property
    def parameter_label(self) -> str:
        """For heads of tables: "eps 0.2, lambda 1", "eps up to 0.3"."""
        return _spaced(self.parameter.replace("<=", " up to ").replace("=", " ").replace(";", ", "))

    @property
    def attack_label(self) -> str:
        """For heads of tables: "transfer pgd"."""
        return _spaced(self.attack)

    @property
    def of_the_source(self) -> "Key":
        """Of a transfer: the key of the same attack on the source model itself."""
        attack = self.attack.removeprefix("transfer_")
        return self._replace(classifier=self.source, attack=attack, parameter=str(self.budget))

    def over_budgets(self, largest: float | None = None) -> "Key":
        """The same over the whole grid of eps, or over all eps up to `largest`, instead of at one."""
        name, *rest = self.parameter.split(";")
        name = name.partition("=")[0]
        over = f"all {name}" if largest is None else f"{name}<={largest:g}"
        return self._replace(parameter=";".join([over, *rest]))

    @property
    def _named(self) -> dict[str, str]:
        """The named values of the parameter: {"eps": "0.3", "from": "DBX"}; "all eps" and "eps<=0.3" name none."""
        return dict(p.split("=") for p in self.parameter.split(";") if "=" in p and "<=" not in p)


def _spaced(text: str) -> str:
    return text.replace("_", " ")


@dataclass(frozen=True)
class Published:
    """A published figure.

    Attributes:
      source: "Table F.1, p. 23".
      kind: "printed", or "digitised" where it was read from the coordinates of a plot.
      note: what must be known to compare with it; often "".
    """

    key: Key
    value: float
    source: str
    kind: str
    note: str

    @property
    def place(self) -> str:
        """ "Table F.1"."""
        return self.source.split(",")[0]


@cache
def published() -> tuple[Published, ...]:
    """All figures of the paper, tables of its appendices first."""
    with open(FILE, newline="") as file:
        return tuple(
            Published(Key(*(row[k] for k in Key._fields)), float(row["value"]), row["source"], row["kind"], row["note"])
            for row in csv.DictReader(file)
        )


@cache
def published_values() -> dict[Key, float]:
    """By key; of a figure that stands in several places the first."""
    return {p.key: p.value for p in reversed(published())}


@cache
def has_density(classifier: str) -> bool:
    """Whether a classifier of the paper has a density of x: where there is none, it has no logit detection."""
    return any(p.key.classifier == classifier and p.key.metric == "tp_logit_percent" for p in published())


def paper_accuracy(dataset: str, classifier: str | None, attack: str, parameter: str = "") -> float | None:
    """The paper's accuracy in percent ("fgsm", "eps=0.1"; "clean", ""), or None where it gives none.

    Args:
      classifier: None is one that is none of the paper's, whatever its name.
    """
    return _published(dataset, classifier, attack, parameter, "accuracy_percent")


def paper_detection(dataset: str, classifier: str | None, attack: str, parameter: str, detector: str) -> float | None:
    """The paper's TP rate in percent ("fgsm", "eps=0.1", "kl"), class-averaged for all but marginal; or None."""
    return _published(dataset, classifier, attack, parameter, f"tp_{detector}_percent")


def _published(dataset: str, classifier: str | None, attack: str, parameter: str, metric: str) -> float | None:
    if classifier is None:
        return None
    classifier = classifier.split(WEIGHTS_MARK)[0]
    return published_values().get(Key(SAME_CLASSIFIERS.get(dataset, dataset), classifier, attack, parameter, metric))


def curve_of_2019(dataset: str, classifier: str) -> list[dict[str, float]]:
    """epoch and accuracy, a share of the first 500 (GBZ) or of 1,000 (DBX) test images, as the 2019 code learns MNIST.

    On all 60,000 images with its own initialisation and settings, run on TF 2.21; empty where no such run is known.
    """
    file = FILE.with_name(f"curve_2019_{classifier}.csv")
    if SAME_CLASSIFIERS.get(dataset, dataset) != "mnist" or not file.exists():
        return []
    with open(file, newline="") as handle:
        rows = list(csv.DictReader(handle))
    share, percent = "accuracy_first_500_test_K10", "test_accuracy_percent"
    return [
        {"epoch": float(r["epoch"]), "accuracy": float(r[share]) if share in r else float(r[percent]) / 100}
        for r in rows
    ]


def paper_images(dataset: str, attack: str = "") -> str | None:
    """The images that the paper's figures stand on, as captions name them; None where it has none to show."""
    images = PAPER_IMAGES.get(SAME_CLASSIFIERS.get(dataset, dataset))
    return f"{images} (SPSA: 1,000 of them)" if images and attack == "spsa" else images


def published_attack(attack: str, through: str = "", statistic: str = "none") -> str:
    """The attack of a key: its name, by way of what, and the statistic that WB+S evades."""
    if attack == "wbs":
        return f"wbs_{statistic}"
    return f"{through}_{attack}" if through else attack


def published_parameter(parameter: str, value: float, attack: str, statistic: str = "none", weight: float = 0) -> str:
    """The parameter of a key; without a detector to evade WB+S's weight has no effect, and the paper's is 0."""
    lambda_ = f";lambda={0 if statistic == 'none' else weight:g}" if attack == "wbs" else ""
    return f"{Budget(parameter, value)}{lambda_}"


def key_parameter(attack: str = "", source: str = "", classifier_options: dict[str, int] | None = None) -> str:
    """The parameter of a key.

    Args:
      attack: what `published_parameter` gives; "" for clean images.
      source: the source model of a transfer, or "".
      classifier_options: as Key.classifier_options has them.
    """
    parts = [attack, f"from={source}" if source else "", *(f"{n}={v}" for n, v in (classifier_options or {}).items())]
    return ";".join(part for part in parts if part)
