"""Stored results as rows: one an evaluation, with what detectors found of it, in the words of a table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from deepbayes.attacks.registry import ATTACKS
from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.reporting.detection_tables import DetectionGroup
from deepbayes.experiments.reporting.grouping import attack_fields, fields_of
from deepbayes.experiments.reporting.tables import AttackRun
from deepbayes.experiments.store.identity import (
    STUDENT_MARK,
    USUAL_FALSE_RATE,
    attack_of,
    namer,
    result_file,
    row_namer,
    settings_hash,
)
from deepbayes.experiments.store.rate import Rate
from deepbayes.experiments.store.result import (
    AttackResult,
    CleanResult,
    DetectionResult,
    DetectorResult,
    OutOfDistributionResult,
    Result,
)
from deepbayes.models.registry import CLASSIFIERS, base_name, place
from deepbayes.reference.published import paper_accuracy

CLEAN = "clean"
ANY = "any"
"""Stands where a detector's name would: any of them together."""
_WAYS = {"greybox": "grey box", "blackbox": "black box", "transfer": "transfer"}


@dataclass(frozen=True)
class Detected:
    """What one detector, or any of them together, does with an evaluation's images.

    Attributes:
      detector: a name of DETECTORS, or ANY.
      percent: the detection rate that tables show: of the successful attacks, the mean over predicted classes where
        the protocol has it so; None without successes.
      paper: the paper's, in percent; None where it has none to compare.
      whole: all that is stored.
    """

    detector: str
    title: str
    percent: float | None
    paper: float | None
    whole: DetectorResult

    @property
    def averaged(self) -> bool:
        """Whether `percent` is the mean over predicted classes, so that the interval over images is not its own."""
        return self.percent is not None and self.percent != 100 * self.whole.tp.rate


@dataclass(frozen=True)
class Detection:
    """A stored detection result. guard: the classifier whose detectors looked; own: whether it is the one attacked."""

    result: DetectionResult
    guard: str
    own: bool
    by_detector: tuple[Detected, ...]

    @property
    def usual(self) -> bool:
        """Whether it is by the classifier's own detectors, at thresholds of the usual rate."""
        return self.own and self.result.settings["detection"]["rate"] == USUAL_FALSE_RATE

    @property
    def calibration_images(self) -> int:
        """Training images that the thresholds were set on."""
        return self.result.settings["detection"]["calibration"]["images"]

    def of(self, detector: str) -> Detected | None:
        return next((d for d in self.by_detector if d.detector == detector), None)


@dataclass(frozen=True)
class Row:
    """An evaluation of a classifier: on clean images, or under one attack at one budget.

    Attributes:
      name: of the classifier, with its weights where several share it, and the student's where an attack had several.
        classifier: without the student's. group: generative, ..., "" of a user's own.
      attack: "clean", "PGD", "PGD, grey box". options: "steps 100, source GBZ", those that are not the defaults.
      parameter, value: the budget, "eps" and 0.1; "" and None without an attack.
      paper: the paper's accuracy in percent, or None.
      detections: of its images, the usual one first.
      result: None where only detection results are stored.
      stored: a result of this evaluation, whatever is there.
    """

    name: str
    attack: str
    options: str
    stored: Result
    result: CleanResult | AttackResult | None = None
    paper: float | None = None
    detections: tuple[Detection, ...] = field(default=())

    @property
    def classifier(self) -> str:
        return self.name.partition(STUDENT_MARK)[0]

    @property
    def group(self) -> str:
        base = base_name(self.classifier)
        return CLASSIFIERS[base].group if base in CLASSIFIERS else ""

    @property
    def dataset(self) -> str:
        return self.stored.dataset

    @property
    def parameter(self) -> str:
        return ATTACKS[self.stored.attack].parameter if self.stored.attack in ATTACKS else ""

    @property
    def value(self) -> float | None:
        return self.stored.value

    @property
    def accuracy(self) -> Rate | None:
        return self.result.accuracy if self.result else None

    @property
    def detection(self) -> Detection | None:
        """The one whose rates stand in the row: by its own detectors, at the usual thresholds."""
        return next((d for d in self.detections if d.usual), None)

    @property
    def seconds(self) -> float:
        """Of attack and evaluation."""
        seconds = self.result.seconds if self.result else 0.0
        return float(seconds) if isinstance(seconds, int | float) else 0.0


def file_of(result: Result) -> str:
    """The result's file, below the results folder."""
    return result_file(result.settings).as_posix()


def rows_of(results: Iterable[Result]) -> list[Row]:
    """A row an evaluation, in an order that depends on the settings alone: by data set, attack, budget, classifier."""
    results = sorted(results, key=_order)
    evaluated = [r for r in results if isinstance(r, CleanResult | AttackResult)]
    row_of, found = row_namer(evaluated), []
    detections = _detections(results)
    for result in evaluated:
        attack, options, run = _said(result)
        if run is None:
            paper = paper_accuracy(result.dataset, result.paper_classifier, CLEAN)
        else:
            paper = None if result.through == "transfer" else run.paper_accuracy(result)
        known = tuple(detections.pop(result.key, ()))
        found.append(Row(row_of(result), attack, options, result, result, paper, known))
    for alone in detections.values():
        stored = alone[0].result
        attack, options, _ = _said(stored)
        found.append(Row(stored.classifier, attack, options, stored, detections=tuple(alone)))
    return sorted(found, key=lambda row: _order(row.stored))


def strange_images(results: Iterable[Result]) -> list[OutOfDistributionResult]:
    """Results on images of another kind, in the same order."""
    return [r for r in sorted(results, key=_order) if isinstance(r, OutOfDistributionResult)]


def _order(result: Result) -> tuple:
    s = result.settings
    names = list(ATTACKS)
    attack = names.index(result.attack) if result.attack in names else len(names)
    through = s.get("through", {})
    return (
        result.dataset, result.protocol, attack, result.through, str(_changed(result)), result.value or 0.0,
        -result.num_images, place(result.classifier), result.classifier, str(through.get("source", "")), result.key,
    )  # fmt: skip


def _changed(result: Result) -> tuple:
    return attack_of(result.settings)[2] if result.attack in ATTACKS else ()


def attack_run(result: Result) -> AttackRun:
    """The attack and the run of a result under attack, as tables know them."""
    return AttackRun(**attack_fields(attack_of(result.settings)), **fields_of(result.run))


def _said(result: Result) -> tuple[str, str, AttackRun | None]:
    """Attack and options in words, and the run; None on clean images."""
    if result.attack not in ATTACKS:
        return result.attack, "", None
    run = attack_run(result)
    way = _WAYS.get(run.through, run.through)
    name = run.attack.upper() + (f", {way}" if way else "") + (", targeted" if run.targeted else "")
    source = result.settings.get("through", {}).get("source")
    told = [run.how.removeprefix(", "), f"source model {source}" if source else ""]
    return name, ", ".join(t for t in told if t), run


def _detections(results: Iterable[Result]) -> dict[str, list[Detection]]:
    """Hash of the settings of an attack's result -> what was detected of it, the usual one first."""
    detected = [r for r in results if isinstance(r, DetectionResult)]
    name_of, found = namer(detected), {}
    for result in detected:
        of = {name: value for name, value in result.settings.items() if name != "detection"}
        how = result.settings["detection"]
        guard = name_of(how["guard_settings"], how["guard"])
        own = not how.get("chosen_guard")
        found.setdefault(settings_hash(of), []).append(Detection(result, guard, own, tuple(_by_detector(result))))
    return {key: sorted(of, key=lambda d: (not d.usual, -d.calibration_images)) for key, of in found.items()}


def _by_detector(result: DetectionResult) -> Iterator[Detected]:
    how = result.settings["detection"]
    group = DetectionGroup(
        **attack_fields(attack_of(result.settings)), **fields_of(result.run), rate=how["rate"], guards={},
        calibration_images=how["calibration"]["images"], chosen_guard=how["guard"] if how.get("chosen_guard") else "",
    )  # fmt: skip
    for name in (n for n in DETECTORS if n in result.detectors):
        shown, paper = group.shown_rate(result, name), group.paper_rate(result, name)
        yield Detected(name, DETECTORS[name].title, shown, paper, result.detectors[name])
    union = result.union.tp.rate
    yield Detected(ANY, "any of them", None if union is None else 100 * union, None, result.union)
