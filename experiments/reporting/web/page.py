"""All results of a store as one HTML page that needs no other file, no network and no script."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from deepbayes.data.registry import DATASETS
from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.reporting.pages import Arrays
from deepbayes.experiments.reporting.web.cards import Card, cards, facts
from deepbayes.experiments.reporting.web.charts import HEIGHT, WIDTH, Look, looks, marker_path
from deepbayes.experiments.reporting.web.pictures import PUBLIC, Picture, may_show, pictures
from deepbayes.experiments.reporting.web.ranking import Ranking, rankings
from deepbayes.experiments.reporting.web.rows import ANY, Detection, Row, file_of, rows_of
from deepbayes.experiments.reporting.web.sections import Section, chart_of_ranking, charts_of_classifier, sections
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.identity import STUDENT_MARK
from deepbayes.experiments.store.names import visible
from deepbayes.experiments.store.result import CleanResult, Result
from deepbayes.experiments.store.seal import SEAL
from deepbayes.models.registry import BASELINE, CLASSIFIERS, DISCRIMINATIVE, GENERATIVE, base_name, place
from deepbayes.reference.published import paper_images

TEMPLATES = Path(__file__).parent / "templates"
_NOT_MEASURED = {
    "settings", "versions", "device", "note", "n", "accuracy", "predictions", "labels", "detectors", "union", SEAL,
}  # fmt: skip
"""Parts of a result that stand elsewhere in its row."""

_SAID = ("attack", "victim", "dataset", "weights_sha256", "data_sha256")
"""Settings that stand elsewhere in its row."""

_COLOURS = {
    GENERATIVE: "Blue: generative.", DISCRIMINATIVE: "Orange: discriminative.", BASELINE: "Green: baseline.",
    "": "Grey: your own model.",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A classifier of the page.

    Attributes:
      look: index of its colours. weights: sha256 of each of its weights -> its card, None where there is none.
    """

    name: str
    look: int
    rows: tuple[Row, ...]
    weights: dict[str, Card | None]

    @property
    def anchor(self) -> str:
        return f"classifier-{self.look + 1}"

    @property
    def group(self) -> str:
        return self.rows[0].group

    @property
    def description(self) -> str:
        """The model as a formula, of registered classifiers."""
        base = base_name(self.name)
        return CLASSIFIERS[base].description if base in CLASSIFIERS else ""

    @cached_property
    def charts(self) -> list:
        return charts_of_classifier(self.rows, self.look)


class Content:
    """What the template shows; every attribute depends on the results alone, not on the time or the machine.

    Args:
      results: of the store, in any order. store: its folder, for the cards of weights trained into it.
      arrays: result -> its stored arrays, {} where they are missing.
      images: whose example images are shown, one of pictures.CHOICES.
    """

    def __init__(self, results: Iterable[Result], store: Path, arrays: Arrays, images: str = PUBLIC):
        self._results, self._images = sorted(results, key=lambda r: (file_of(r), r.key)), images
        self._arrays = _examples_of(arrays)
        self._cards = cards(store)
        self.rows = rows_of(self._results)
        self._clean = {_of(r): r for r in self._results if isinstance(r, CleanResult)}

    @cached_property
    def names(self) -> list[str]:
        """Of the classifiers, registered ones first, each with its weights where several share the name."""
        return sorted({row.classifier for row in self.rows}, key=lambda name: (place(name), name))

    @cached_property
    def look_of(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.names)}

    @cached_property
    def looks(self) -> list[Look]:
        return looks(self.names)

    @cached_property
    def datasets(self) -> list[str]:
        return sorted({row.dataset for row in self.rows})

    @cached_property
    def protocols(self) -> list[str]:
        return sorted({row.stored.protocol for row in self.rows})

    @cached_property
    def attacks(self) -> list[str]:
        return list(dict.fromkeys(row.attack for row in self.rows))

    @cached_property
    def entries(self) -> list[Entry]:
        return [self._entry(name) for name in self.names]

    def _entry(self, name: str) -> Entry:
        rows = tuple(row for row in self.rows if row.classifier == name)
        weights = dict.fromkeys(str(row.stored.settings.get("weights_sha256", "")) for row in rows)
        return Entry(name, self.look_of[name], rows, {w: self._cards.get(w) for w in sorted(weights) if w})

    @cached_property
    def rankings(self) -> list[tuple[Ranking, object]]:
        """Each with its chart."""
        return [(r, chart_of_ranking(r, self.look_of_name)) for r in rankings(self._results)]

    def look_of_name(self, name: str) -> tuple[int, str]:
        """The index of a classifier's colours, and its marker."""
        k = self.look_of[name.partition(STUDENT_MARK)[0]]
        return k, self.looks[k].marker

    @cached_property
    def sections(self) -> list[Section]:
        return sections(self._results, self.look_of_name)

    @cached_property
    def colours(self) -> list[tuple[str, str]]:
        """(group of classifiers, what its colour means), of the groups that there are."""
        there = {entry.group for entry in self.entries}
        return [(group or "own", text) for group, text in _COLOURS.items() if group in there]

    @cached_property
    def papers_images(self) -> list[tuple[str, str]]:
        """(data set, the images that the paper's figures on it are on)."""
        return [(d, images) for d in self.datasets if (images := paper_images(d))]

    @cached_property
    def index_fault(self) -> bool:
        """Whether some KL rates have 2019's index fault."""
        return any(PROTOCOLS[p].detection.kl_rows_within_success for p in self.protocols)

    @property
    def detector_names(self) -> list[str]:
        return [*DETECTORS, ANY]

    @cached_property
    def notes(self) -> list[str]:
        """What must be known of the data sets."""
        return list(dict.fromkeys(r.note for r in self._results if isinstance(r.note, str) and r.note))

    @cached_property
    def sources(self) -> list:
        return [DATASETS[d] for d in self.datasets if d in DATASETS]

    @cached_property
    def devices(self) -> list[str]:
        return sorted({r.device for r in self._results if isinstance(r.device, str) and r.device})

    @cached_property
    def versions(self) -> list[tuple[str, str]]:
        """(package, all its versions)."""
        found: dict[str, set] = {}
        for result in self._results:
            for name, version in facts(result.versions if isinstance(result.versions, dict) else {}):
                found.setdefault(name, set()).add(version)
        return [(name, ", ".join(sorted(of))) for name, of in found.items()]

    @property
    def results(self) -> int:
        return len(self._results)

    # ---- of a row, asked by the template -----------------------------------------------------------------------------

    def settings(self, row: Row) -> list[tuple[str, str]]:
        """Without those that stand elsewhere in the row."""
        return [(n, v) for n, v in facts(row.stored.settings) if n not in _SAID and not n.startswith("detection.")]

    def thresholds(self, detection: Detection) -> list[tuple[str, str]]:
        """Settings of the detection that are not the evaluation's own."""
        s = detection.result.settings
        own = dict(facts({n: v for n, v in s.items() if n != "detection"}))
        return [(n, v) for n, v in facts(s["detection"]) if own.get(n.rpartition(".")[2]) != v]

    def measured(self, row: Row) -> list[tuple[str, str]]:
        """What a result holds beside its accuracy."""
        content = row.result.content if row.result else {}
        found = facts({name: value for name, value in content.items() if name not in _NOT_MEASURED})
        return [*found, *facts({"device": row.stored.device})]

    def checksum(self, result: Result) -> str:
        return str(result.content.get(SEAL, ""))

    def file(self, result: Result) -> str:
        return file_of(result)

    def pictures(self, row: Row) -> list[Picture]:
        if row.result is None or not may_show(row.dataset, self._images):
            return []
        return pictures(row, self._clean.get(_of(row.result)), self._arrays)


def _examples_of(arrays: Arrays) -> Arrays:
    """The same, of examples alone, each file read once."""
    known: dict[str, dict[str, np.ndarray]] = {}

    def examples(result: Result) -> dict[str, np.ndarray]:
        if result.key not in known:
            known[result.key] = {name: of for name, of in arrays(result).items() if name.startswith("examples")}
        return known[result.key]

    return examples


def _of(result: Result) -> tuple:
    """What a result shares with its clean one."""
    return result.run, result.classifier, str(result.settings.get("weights_sha256", ""))


def html(content: Content) -> str:
    """The page. Every text of a result is escaped, and what prints nothing is shown as \\n, \\u202e ..."""
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8").strip()
    page = _environment().get_template("page.html")
    return page.render(
        content=content, chart={"width": WIDTH, "height": HEIGHT}, detectors=[*DETECTORS.values()],
        marker_path=marker_path, script=Markup(script), script_hash=_hash(script),
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8").strip()),
    )  # fmt: skip


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined, finalize=_shown, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"percent": _percent, "number": lambda v: f"{v:,}", "short": lambda v: f"{v:g}"}
    environment.filters |= {"name_of": _short}
    return environment


def _shown(value):
    """Before it is escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _percent(rate: float | None, digits: int = 1) -> str:
    return "n/a" if rate is None else f"{rate:.{digits}f}"


_LONGEST = 60


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def _hash(script: str) -> str:
    """As a content security policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
