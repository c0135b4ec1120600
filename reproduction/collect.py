"""What there is to show beside the paper: the user's results and those that come with the project."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from deepbayes.experiments.command_line.parser import ROOT
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.files import FileError
from deepbayes.models.registry import base_name, options_in_name
from deepbayes.models.zoo import usable_card
from deepbayes.reference.published import Key, Published, published
from deepbayes.reproduction.comparability import differs_from_the_paper
from deepbayes.reproduction.estimates import Measured, measured
from deepbayes.reproduction.required_runs import PROTOCOL, trained_for

COMMITTED = ROOT / "results" / "reference"


def figures_that_count(folder: Path, weights: Path | None = None, epochs: int | None = None) -> list[Measured]:
    """What the results of a folder, and those that come with the project, hold beside the paper with its settings.

    Args:
      weights: the folder whose weights count; None is those that ship, and where none do those trained into `folder`.
      epochs: that those trained into `folder` must have had; None is the paper's number.
    """
    results = ResultsStore(COMMITTED).all() + ([] if folder == COMMITTED else ResultsStore(folder).all())
    known = _Weights(folder, weights, epochs)
    return [f for f in measured(results) if not differs_from_the_paper(f) and known.made(f)]


def best(figures: list[Measured], least: Callable[[str], int] = lambda dataset: 0) -> dict[Key, Measured]:
    """By key the figure to show: the paper's protocol before others, then most images, attacked and calibrated on.

    Args:
      least: data set -> images that its run must have had.
    """
    return {f.key: f for f in sorted(figures, key=_rank) if f.settings["num_images"] >= least(f.settings["dataset"])}


def own_weights(folder: Path, dataset: str) -> Path:
    """Where `train --output folder` puts them."""
    return folder / "training" / dataset


def _rank(figure: Measured) -> tuple:
    s = figure.settings
    calibration = s["detection"]["calibration"]["images"] if "detection" in s else 0
    return s["protocol"]["name"] == PROTOCOL, s["num_images"], calibration, -s["seed"]


class _Weights:
    """Whether a figure comes of the weights that count, another's that made the images or guards included."""

    def __init__(self, folder: Path, chosen: Path | None, epochs: int | None):
        self._folder, self._chosen, self._epochs, self._found = folder, chosen, epochs, {}

    def made(self, figure: Measured) -> bool:
        s = figure.settings
        through, detection = s.get("through", {}), s.get("detection", {})
        parties = [(s["victim"], s)]
        parties += [(through["source"], through["settings"])] if through.get("kind") == "transfer" else []
        parties += [(detection["guard"], detection["guard_settings"])] if detection else []
        return all(self._counts(s["dataset"], name, of.get("weights_sha256", "")) for name, of in parties)

    def _counts(self, dataset: str, victim: str, sha256: str) -> bool:
        of = dataset, base_name(victim), options_in_name(victim).get("dim_z")
        if of not in self._found:
            self._found[of] = self._sha256(*of) if of[1] in FACTORISATIONS else None
        return sha256 == self._found[of]

    def _sha256(self, dataset: str, name: str, dim_z: int | None) -> str | None:
        own = own_weights(self._folder, dataset)
        for folder in [self._chosen] if self._chosen else [None, own]:
            with contextlib.suppress(FileError):
                card = usable_card(dataset, name, folder, {"dim_z": dim_z})
                if folder in (self._chosen, None) or trained_for(card, dataset, self._epochs):
                    return card["sha256"]
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
