"""What there is to show beside the paper: the user's results and those that come with the project."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from experiments.parser import ROOT
from experiments.reporting.reference import Key, Published, published
from experiments.results import ResultsStore
from models.factorisation import FACTORISATIONS
from models.files import FileError
from models.zoo import usable_card
from reproduction.compare import differs_from_the_paper
from reproduction.measured import Measured, measured
from reproduction.needs import PROTOCOL

COMMITTED = ROOT / "results" / "reference"


def best_figures(
    folder: Path, weights: Path | None = None, least: Callable[[str], int] = lambda d: 0
) -> dict[Key, Measured]:
    """By key the measured figure to show: settings like the paper's, its protocol before others, most images.

    Args:
      folder: of results; those that come with the project count, too.
      weights: the folder whose weights count; None is those that ship, and where none do those trained into `folder`.
      least: data set -> images that it must have been run on.
    """
    found: dict[Key, Measured] = {}
    results = ResultsStore(COMMITTED).all() + ([] if folder == COMMITTED else ResultsStore(folder).all())
    known = _Weights(folder, weights)
    for figure in measured(results):
        s = figure.settings
        if s["num_images"] < least(s["dataset"]) or not known.made(figure) or differs_from_the_paper(figure):
            continue
        if figure.key not in found or _rank(figure) >= _rank(found[figure.key]):
            found[figure.key] = figure
    return found


def own_weights(folder: Path, dataset: str) -> Path:
    """Where `train --output folder` puts them."""
    return folder / "training" / dataset


def _rank(figure: Measured) -> tuple:
    s = figure.settings
    return s["protocol"]["name"] == PROTOCOL, s["num_images"], -s["seed"]


class _Weights:
    """Whether a figure comes of the weights that count."""

    def __init__(self, folder: Path, chosen: Path | None):
        self._folder, self._chosen, self._found = folder, chosen, {}

    def made(self, figure: Measured) -> bool:
        s = figure.settings
        name, _, dim_z = s["victim"].partition("_z")
        of = s["dataset"], name, int(dim_z) if dim_z else None
        if of not in self._found:
            self._found[of] = self._sha256(*of) if name in FACTORISATIONS else None
        return s.get("weights_sha256", "") == self._found[of]

    def _sha256(self, dataset: str, name: str, dim_z: int | None) -> str | None:
        for folder in [self._chosen] if self._chosen else [None, own_weights(self._folder, dataset)]:
            with contextlib.suppress(FileError):
                return usable_card(dataset, name, folder, dim_z)["sha256"]
        return None


def places() -> list[str]:
    """ "Table 1", "Table 2" ... "Table F.28", "Figure 3" ... "Figure B.2"."""
    found = {p.place for p in published()}
    return sorted((p for p in found if _PLACE.fullmatch(p)), key=_order)


_PLACE = re.compile(r"(Table|Figure) (?:([A-Z])\.)?(\d+)")


def _order(place: str) -> tuple:
    kind, appendix, number = _PLACE.fullmatch(place).groups()
    return kind == "Figure", appendix or "", int(number)


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
