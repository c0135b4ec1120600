"""All results of a store as one flat CSV: one row a result, whatever its kind."""

import csv
import io
from collections.abc import Iterable, Iterator

from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.reporting.web.rows import ANY, Detection, Row, file_of, rows_of
from deepbayes.experiments.store.names import visible
from deepbayes.experiments.store.result import DetectorResult, Result

_RATES = [
    f"{kind}_{detector}_percent"
    for detector in (*DETECTORS, ANY)
    for kind in ("detected", "paper_detected", "rejected")
    if (kind, detector) != ("paper_detected", ANY)
]
COLUMNS = (
    "kind", "dataset", "classifier", "attack", "options", "source", "parameter", "budget", "protocol", "samples",
    "seed", "n", "accuracy_percent", "low_percent", "high_percent", "paper_percent", "guard", *_RATES, "seconds",
    "weights_sha256", "data_sha256", "file",
)  # fmt: skip
"""kind: "clean", "attack", "detection", "out_of_distribution", "checks". detected: of the successful attacks, as tables
have it. rejected: clean test images. seconds: attack and evaluation. file: below the results folder."""
_FORMULA = ("=", "+", "-", "@", "\t")


def csv_text(results: Iterable[Result]) -> str:
    """The CSV with a row of heads, in an order that depends on the settings alone.

    A name that a spreadsheet would take for a formula begins with an apostrophe. What prints nothing, such as a line
    break in a name, is written as \\n.
    """
    results = list(results)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    seen = set()
    for row in rows_of(results):
        for values in _of_row(row):
            seen.add(values["file"])
            writer.writerow({name: _cell(value) for name, value in values.items()})
    others = [r for r in results if file_of(r) not in seen]
    for result in sorted(others, key=lambda r: (r.dataset, r.KIND, file_of(r))):
        values = _common(result) | _of_other(result)
        writer.writerow({name: _cell(value) for name, value in values.items()})
    return text.getvalue()


def _common(result: Result) -> dict:
    s = result.settings
    return {
        "kind": result.KIND, "dataset": result.dataset, "classifier": result.classifier, "attack": result.attack,
        "source": s.get("through", {}).get("source", ""), "protocol": result.protocol, "samples": result.samples,
        "seed": result.seed, "n": result.n, "weights_sha256": s.get("weights_sha256", ""),
        "data_sha256": s.get("data_sha256", ""), "file": file_of(result),
    }  # fmt: skip


def _of_row(row: Row) -> Iterator[dict]:
    """The evaluation, then what was detected of it."""
    own = {
        "classifier": row.name, "attack": row.attack, "options": row.options, "parameter": row.parameter,
        "budget": row.value,
    }  # fmt: skip
    if row.result:
        rate = row.result.accuracy
        yield _common(row.result) | own | {
            "accuracy_percent": _percent(rate.rate), "low_percent": _percent(rate.low),
            "high_percent": _percent(rate.high), "paper_percent": row.paper, "seconds": round(row.seconds, 3),
        }  # fmt: skip
    for detection in row.detections:
        yield _common(detection.result) | own | {"guard": detection.guard} | _rates(detection)


def _rates(detection: Detection) -> dict:
    found = {}
    for d in detection.by_detector:
        found[f"detected_{d.detector}_percent"] = None if d.percent is None else round(d.percent, 4)
        found[f"rejected_{d.detector}_percent"] = _percent(d.whole.fp.rate)
        if d.detector != ANY:
            found[f"paper_detected_{d.detector}_percent"] = d.paper
    return found


def _of_other(result: Result) -> dict:
    """Of images of another kind their name, and how many of them each detector rejects."""
    detectors: dict[str, DetectorResult] = getattr(result, "detectors", {})
    found = {"options": getattr(result, "against", "")}
    for name, of in detectors.items():
        found[f"detected_{name}_percent"] = _percent(of.tp.rate)
        found[f"rejected_{name}_percent"] = _percent(of.fp.rate)
    return found


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(100 * rate, 4)


def _cell(value) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    text = visible(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
