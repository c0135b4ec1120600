"""Published numbers that results are shown beside: reference/paper_2019.csv, each with its source in the paper."""

import csv
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "reference" / "paper_2019.csv"
SAME_CLASSIFIERS = {"mnist5k": "mnist"}
"""Data sets shown beside the paper's results on another one; captions say on which images those stand."""
PAPER_IMAGES = {"mnist": "the 10,000 official MNIST test images"}


@cache
def _table() -> dict[tuple, float]:
    with open(FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    return {(r["dataset"], r["classifier"], r["attack"], r["parameter"]): float(r["value"]) for r in rows}


def paper_accuracy(dataset: str, classifier: str, attack: str, parameter: str = "") -> float | None:
    """The paper's accuracy in percent ("fgsm", "eps=0.1"; "clean", ""), or None where it gives none."""
    return _table().get((SAME_CLASSIFIERS.get(dataset, dataset), classifier, attack, parameter))


def paper_images(dataset: str) -> str | None:
    return PAPER_IMAGES.get(SAME_CLASSIFIERS.get(dataset, dataset))
