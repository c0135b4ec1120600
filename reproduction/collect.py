"""The estimates to show beside the paper: of the user's results and of those that come with the project."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from deepbayes import ROOT
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.files import FileError
from deepbayes.models.zoo import usable_card
from deepbayes.reference.published import PAPER_CLASSIFIERS, Key, Published, published
from deepbayes.reproduction.comparability import differs_from_the_paper
from deepbayes.reproduction.estimates import Estimate, classifier_of, estimates_of
from deepbayes.reproduction.required_runs import PROTOCOL, own_weights, trained_for

COMMITTED = ROOT / "results" / "reference"


def accepted_estimates(folder: Path, weights: Path | None = None, epochs: int | None = None) -> list[Estimate]:
    """Of the results of a folder, and of those that come with the project: made as in the paper, on accepted weights.

    Args:
      weights: the folder of the accepted weights; None is those that ship, and where none do those trained into
        `folder`.
      epochs: that those trained into `folder` must have had; None is the paper's number.
    """
    results = ResultsStore(COMMITTED).all() + ([] if folder == COMMITTED else ResultsStore(folder).all())
    accepted = _AcceptedWeights(folder, weights, epochs)
    return [e for e in estimates_of(results) if not differs_from_the_paper(e) and accepted.made(e)]


def best(estimates: list[Estimate], least: Callable[[str], int] = lambda dataset: 0) -> dict[Key, Estimate]:
    """By key the estimate to show: the paper's protocol before others, then most images, attacked and calibrated on.

    Args:
      least: data set -> images that its run must have had.
    """
    return {e.key: e for e in sorted(estimates, key=_rank) if e.settings["num_images"] >= least(e.settings["dataset"])}


def _rank(estimate: Estimate) -> tuple:
    s = estimate.settings
    calibration = s["detection"]["calibration"]["images"] if "detection" in s else 0
    return s["protocol"]["name"] == PROTOCOL, s["num_images"], calibration, -s["seed"]


class _AcceptedWeights:
    """Which weights are accepted; their cards are read once."""

    def __init__(self, folder: Path, chosen: Path | None, epochs: int | None):
        self._folder, self._chosen, self._epochs = folder, chosen, epochs
        self._accepted: dict[tuple, str | None] = {}

    def made(self, estimate: Estimate) -> bool:
        """Whether every model involved (victim, source, guard) had the accepted weights."""
        s = estimate.settings
        through, detection = s.get("through", {}), s.get("detection", {})
        models = [(s["victim"], s)]
        models += [(through["source"], through["settings"])] if through.get("kind") == "transfer" else []
        models += [(detection["guard"], detection["guard_settings"])] if detection else []
        return all(self._has_accepted(s["dataset"], name, settings) for name, settings in models)

    def _has_accepted(self, dataset: str, victim: str, settings: dict) -> bool:
        name, options = classifier_of(victim, dataset, settings)
        model = dataset, name, tuple(options.items())
        if model not in self._accepted:
            self._accepted[model] = self._sha256(dataset, name, options) if name in PAPER_CLASSIFIERS else None
        return settings.get("weights_sha256", "") == self._accepted[model]

    def _sha256(self, dataset: str, name: str, options: dict) -> str | None:
        """Of the accepted weights; None where there are none."""
        shipped, trained = None, own_weights(self._folder, dataset)
        for folder in [self._chosen] if self._chosen else [shipped, trained]:
            with contextlib.suppress(FileError):
                card = usable_card(dataset, name, folder, **options)
                if folder in (self._chosen, None) or trained_for(card, dataset, self._epochs):
                    return card["sha256"]
        return None


def places() -> list[str]:
    """ "Table 1", "Table 2" ... "Table F.28", "Figure 3" ... "Figure B.2"."""
    return sorted((p for p in {p.place for p in published()} if _PLACE.fullmatch(p)), key=_order)


_PLACE = re.compile(r"(Table|Figure) (?:([A-Z])\.)?(\d+)")


def _order(place: str) -> tuple:
    kind, appendix, number = _PLACE.fullmatch(place).groups()
    return kind == "Figure", appendix or "", int(number)


def figures_of(place: str) -> list[Published]:
    """All figures of a table or figure; Table A.1 with the columns that it repeats from F.5."""
    figures = [p for p in published() if p.place == place]
    if place == "Table A.1":
        repeated = [
            p
            for p in published()
            if p.place == "Table F.5"
            and p.key.classifier in ("GBZ", "GBY")
            and p.key.attack in ("pgd", "wbs_none", "wbs_logit")
            and p.key.metric in ("accuracy_percent", "tp_logit_percent")
        ]
        figures = repeated + figures
    return figures
