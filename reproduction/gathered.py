"""What there is to show beside the paper: the user's results and those that come with the project."""

from pathlib import Path

from experiments.parser import ROOT
from experiments.reference import Key, Published, published
from experiments.results import ResultsStore
from reproduction.compare import differs_from_the_paper
from reproduction.measured import Measured, measured
from reproduction.needs import PROTOCOL

COMMITTED = ROOT / "results" / "reference"


def best_figures(folder: Path, least: int = 0) -> dict[Key, Measured]:
    """By key the measured figure to show: settings like the paper's, its protocol before others, most images.

    Args:
      least: images that it must stand on (or have been taken from, for detection and norms).
    """
    found: dict[Key, Measured] = {}
    results = ResultsStore(COMMITTED).all() + ([] if folder == COMMITTED else ResultsStore(folder).all())
    for figure in measured(results):
        if figure.settings["num_images"] < least or differs_from_the_paper(figure):
            continue
        known = found.get(figure.key)
        if known is None or _rank(figure) >= _rank(known):
            found[figure.key] = figure
    return found


def _rank(figure: Measured) -> tuple:
    return figure.settings["protocol"]["name"] == PROTOCOL, figure.settings["num_images"]


def places() -> list[str]:
    """ "Table 1" ... "Figure B.2", in the paper's order."""
    kind = lambda p: (not p.startswith("Table"), [int(w) if w.isdigit() else w for w in _words(p)])  # noqa: E731
    found = {p.place for p in published() if p.place.split()[0] in ("Table", "Figure")}
    return sorted(found, key=lambda p: (kind(p)[0], [(isinstance(w, str), w) for w in kind(p)[1]]))


def _words(place: str) -> list[str]:
    return place.split()[1].split(".")


def figures_of(place: str) -> list[Published]:
    """All figures of a table or figure; Table A.1 with the columns that it repeats from F.5."""
    found = [p for p in published() if p.place == place]
    if place == "Table A.1":
        repeated = [
            p
            for p in published()
            if p.place == "Table F.5"
            and p.key.classifier in ("GBZ", "GBY")
            and p.key.attack in ("pgd", "wbs_none", "wbs_logit")
            and p.key.metric in ("accuracy_percent", "tp_logit_percent")
        ]
        found = repeated + found
    return found
