"""Published numbers that results are shown beside: reference/paper_2019.csv, each with its source in the paper."""

import csv
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "reference" / "paper_2019.csv"
WEIGHTS_MARK = "#"
"""Between a classifier's name and the hash of its weights, in tables with several of one name."""
SAME_CLASSIFIERS = {"mnist5k": "mnist"}
"""Data sets shown beside the paper's results on another one; captions say on which images those stand."""
PAPER_IMAGES = {"mnist": "the 10,000 official MNIST test images"}


@cache
def _table() -> dict[tuple, float]:
    with open(FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    keys = ("dataset", "classifier", "attack", "parameter", "metric")
    return {tuple(r[k] for k in keys): float(r["value"]) for r in rows}


def paper_accuracy(dataset: str, classifier: str, attack: str, parameter: str = "") -> float | None:
    """The paper's accuracy in percent ("fgsm", "eps=0.1"; "clean", ""), or None where it gives none."""
    return _published(dataset, classifier, attack, parameter, "accuracy_percent")


def paper_detection(dataset: str, classifier: str, attack: str, parameter: str, detector: str) -> float | None:
    """The paper's TP rate in percent ("fgsm", "eps=0.1", "kl"), class-averaged for all but marginal; or None."""
    return _published(dataset, classifier, attack, parameter, f"tp_{detector}_percent")


def _published(dataset: str, classifier: str, attack: str, parameter: str, metric: str) -> float | None:
    classifier = classifier.split(WEIGHTS_MARK)[0]
    return _table().get((SAME_CLASSIFIERS.get(dataset, dataset), classifier, attack, parameter, metric))


def curve_of_2019(classifier: str) -> list[dict[str, float]]:
    """epoch, bound (nats, mean of the last 300 steps) and accuracy (500 test images) as the 2019 code learns MNIST.

    On all 60,000 images with its own initialisation and settings, run on TF 2.21; empty where no such run is known.
    """
    file = FILE.with_name(f"curve_2019_{classifier}.csv")
    if not file.exists():
        return []
    with open(file, newline="") as handle:
        rows = list(csv.DictReader(handle))
    columns = {"epoch": "epoch", "bound": "mean_bound_last_300_steps", "accuracy": "accuracy_first_500_test_K10"}
    return [{ours: float(row[theirs]) for ours, theirs in columns.items()} for row in rows]


def paper_images(dataset: str, attack: str = "") -> str | None:
    """The images that the paper's figures stand on, as captions name them; None where it has none to show."""
    images = PAPER_IMAGES.get(SAME_CLASSIFIERS.get(dataset, dataset))
    return f"{images} (SPSA: 1,000 of them)" if images and attack == "spsa" else images
