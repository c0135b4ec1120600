"""Published numbers that results are shown beside: reference/paper_2019.csv, each with its source in the paper."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().with_name("paper_2019.csv")
WEIGHTS_MARK = "#"
"""Between a classifier's name and the hash of its weights, in tables with several of one name."""
SAME_CLASSIFIERS = {"mnist5k": "mnist"}
"""Data sets shown beside the paper's results on another one; captions say on which images those stand."""
PAPER_IMAGES = {
    "mnist": "the 10,000 official MNIST test images",
    "plane_frog": "the 1,577 of 2,000 CIFAR-binary test images that all its classifiers get right (clean: on all)",
}


class Key(NamedTuple):
    """What a figure is of.

    Attributes:
      attack: "clean", "pgd", "greybox_pgd", "blackbox_pgd", "transfer_pgd", "wbs_logit".
      parameter: "eps=0.1", "eps=0.2;lambda=1", "eps=0.1;dim_z=16", "eps=0.3;from=DBX", "all eps", "eps<=0.3"; "" for
        clean images. The latent size is named where it is not the data set's own.
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
    def parts(self) -> dict[str, str]:
        """The named values of the parameter: {"eps": "0.3", "from": "DBX"}; "all eps" and "eps<=0.3" name none."""
        return dict(p.split("=") for p in self.parameter.split(";") if "=" in p and "<=" not in p)


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
    """epoch and accuracy (500 test images) as the 2019 code learns MNIST.

    On all 60,000 images with its own initialisation and settings, run on TF 2.21; empty where no such run is known.
    """
    file = FILE.with_name(f"curve_2019_{classifier}.csv")
    if SAME_CLASSIFIERS.get(dataset, dataset) != "mnist" or not file.exists():
        return []
    with open(file, newline="") as handle:
        rows = list(csv.DictReader(handle))
    columns = {"epoch": "epoch", "accuracy": "accuracy_first_500_test_K10"}
    return [{ours: float(row[theirs]) for ours, theirs in columns.items()} for row in rows]


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
    return f"{parameter}={value:g}{lambda_}"
