"""What a stored result says, in the field's words: the only reader of result files.

`Result.from_json` gives the class of its kind: CleanResult, AttackResult, DetectionResult, OutOfDistributionResult,
ChecksResult. A result is its file's content, seen through typed attributes; what no attribute knows stays in it, so
that `to_json` gives back every file to the letter, those of later versions too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.settings.attack_plan import value_of
from deepbayes.experiments.store.identity import RunKey, run_of, settings_hash
from deepbayes.experiments.store.rate import Rate
from deepbayes.experiments.store.result_shape import faults
from deepbayes.experiments.store.seal import SEAL
from deepbayes.models.files import FileError


@dataclass(frozen=True)
class Mean:
    """A mean over images.

    Attributes:
      mean: in the unit of the quantity.
      std: standard deviation over the images, in the same unit.
      n: images; None where the result holds this number elsewhere.
    """

    mean: float
    std: float
    n: int | None = None


@dataclass(frozen=True)
class FreshDraws:
    """Successes that fresh noise confirms.

    Attributes:
      draws: fresh draws of the classifier's noise for each checked success.
      survived: checked successes that still succeed in most of these draws.
    """

    draws: int
    survived: Rate


@dataclass(frozen=True)
class Perturbation:
    """Norms of the successful perturbations.

    Attributes:
      n: successful perturbations.
      norms: {"l2": Mean, "linf": Mean, "l0": Mean}; {} where n is 0. Pixel scale [0, 1]; l0 counts pixel values.
    """

    n: int
    norms: dict[str, Mean]


@dataclass(frozen=True)
class DetectorResult:
    """The rates of one detector, or of any of them together.

    Attributes:
      fp: clean test images rejected.
      tp: successful attacks detected; for `ood` the other images rejected.
      unnoticed_errors: attacked images that are misclassified and not detected; None for `ood`.
      tp_class_averaged: mean of tp over the predicted classes that occur, a share in [0, 1].
      tp_class_averaged_error: standard error of that mean.
      training_rate: share of training images that the thresholds reject.
      auroc: area under the ROC curve, in [0, 1].
      true_rate_at: {"0.05": true-positive rate at a false-positive rate of 5 %, "0.01": the same at 1 %}.
    """

    fp: Rate
    tp: Rate
    unnoticed_errors: Rate | None = None
    tp_class_averaged: float | None = None
    tp_class_averaged_error: float | None = None
    training_rate: float | None = None
    auroc: float | None = None
    true_rate_at: dict[str, float | None] | None = None

    @classmethod
    def from_json(cls, content: dict) -> "DetectorResult":
        return cls(**{name: _typed(content[name]) for name in cls.__dataclass_fields__ if name in content})


@dataclass(frozen=True)
class CheckLine:
    """A row of `checks`.

    Attributes:
      check: what was tested.
      verdict: "pass", "flag" or "n/a".
      figure: the measured figure, as text.
      n: images that the figure is based on.
    """

    check: str
    verdict: str
    figure: str
    n: int


def _typed(value: Any) -> Any:
    """A rate or a mean by the names of its parts; anything else as it is."""
    if isinstance(value, dict):
        if value.keys() == Rate.__dataclass_fields__.keys():
            return Rate.from_json(value)
        if value.keys() == Mean.__dataclass_fields__.keys():
            return Mean(**value)
    return value


class part(cached_property):
    """An attribute that reads the content of its name; where that is not there, or null, `default` if there is one."""

    def __init__(self, read: Callable[[Any], Any] = _typed, default: Any = ...):
        super().__init__(self._of)
        self._read, self._default = read, default

    def _of(self, result: "Result") -> Any:
        if self._default is ...:
            return self._read(result.content[self.attrname])
        value = result.content.get(self.attrname)
        return self._default if value is None else self._read(value)


@dataclass(frozen=True, eq=False)
class Result(Mapping):
    """A stored result. As a mapping it is its content.

    Attributes:
      content: the JSON of its file, not to be changed.
      settings: what identifies the result.
      versions: of the packages.
      device: the processors.
      note: what a reader must know of the images.
      n: images.
      arrays_sha256: of the arrays stored beside it; None where there are none.
    """

    content: dict
    KIND: ClassVar[str] = ""

    @classmethod
    def from_json(cls, content: dict) -> "Result":
        """The result of a file's content.

        Raises:
          FileError: it is not one of this program, with the paths of what is wrong.
        """
        wrong = faults(content)
        if wrong:
            raise FileError(f"not a result of this program ({', '.join(wrong)})")
        return _KINDS[_kind(content["settings"])](content)

    def to_json(self) -> dict:
        return self.content

    def __getitem__(self, name: str) -> Any:
        return self.content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    settings, versions, device, note, n = part(), part(default={}), part(default=""), part(default=""), part()
    arrays_sha256 = part(default=None)

    @cached_property
    def key(self) -> str:
        """The hash of its settings."""
        return settings_hash(self.settings)

    @cached_property
    def run(self) -> RunKey:
        return run_of(self)

    @property
    def dataset(self) -> str:
        return self.settings["dataset"]

    @property
    def classifier(self) -> str:
        """The name of the classifier that is evaluated."""
        return self.settings["victim"]

    @property
    def paper_classifier(self) -> str | None:
        """The classifier's name where it is one of the paper's, else None.

        A user's model may have such a name. The paper's have K samples and a likelihood of x in their settings.
        """
        return self.classifier if {"samples", "likelihood"} <= self.settings.keys() else None

    @property
    def attack(self) -> str:
        """The attack, or "clean", "checks", "ood"."""
        return self.settings["attack"]

    @property
    def value(self) -> float | None:
        """The value of the attack's parameter; None without an attack."""
        return value_of(self.settings) if self.attack in ATTACKS else None

    @property
    def protocol(self) -> str:
        return self.settings["protocol"]["name"]

    @property
    def seed(self) -> int:
        return self.settings["seed"]

    @property
    def num_images(self) -> int:
        return self.settings["num_images"]

    @property
    def samples(self) -> int | None:
        """K; None for a classifier without samples."""
        return self.settings.get("samples")

    @property
    def through(self) -> str:
        """How another source model was used: "greybox", "blackbox", "transfer"; "" without one."""
        return self.settings.get("through", {}).get("kind", "")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content that no attribute reads: name -> Rate, Mean (of nats), or the stored value."""
        read = {name for of in type(self).__mro__ for name, by in vars(of).items() if isinstance(by, cached_property)}
        return {name: _typed(value) for name, value in self.content.items() if name not in read | {SEAL}}


class _Evaluated(Result):
    """Accuracy on images. predictions: (n,). labels: (n,) true labels, None in results of older versions."""

    accuracy = part()
    predictions = part(np.array)
    labels = part(np.array, default=None)


class CleanResult(_Evaluated):
    """Accuracy without an attack.

    Attributes:
      accuracy: a `Rate`.
      predictions: (n,) predicted labels.
      labels: (n,) true labels; None in results of older versions.
      seconds: of the evaluation.
    """

    KIND = "clean"
    seconds = part(default=0.0)


class AttackResult(_Evaluated):
    """Accuracy under an attack.

    Attributes:
      accuracy: a `Rate`.
      predictions: (n,) predicted labels.
      success_right_before: successes among the images that were right before the attack, a `Rate`.
      unmoved: images that the attack left as they were, a `Rate`.
      fresh_draws: see `FreshDraws`; None for a deterministic classifier.
      perturbation: see `Perturbation`.
      student: of a grey or black box {"accuracy": Rate, "agreement": Rate, "queries": int, ...}, else None.
    """

    KIND = "attack"
    success_right_before, unmoved = part(), part()
    fresh_draws = part(lambda c: FreshDraws(c["draws"], _typed(c["survived"])), default=None)
    perturbation = part(
        lambda c: Perturbation(c["n"], {k: Mean(v["mean"], v["std"]) for k, v in c.items() if k != "n"}), default=None
    )
    student = part(lambda c: {name: _typed(value) for name, value in c.items()}, default=None)

    @cached_property
    def seconds(self) -> float:
        """Seconds of attack and evaluation."""
        return sum(self.content["seconds"].values())


class _Detected(Result):
    detectors = part(lambda c: {name: DetectorResult.from_json(of) for name, of in c.items()})


class DetectionResult(_Detected):
    """What a guard detects of an attack.

    Attributes:
      detectors: name -> `DetectorResult`.
      union: the `DetectorResult` of any detector.
    """

    KIND = "detection"
    union = part(DetectorResult.from_json)


class OutOfDistributionResult(_Detected):
    """What a classifier's detectors do with images of another kind.

    Attributes:
      detectors: name -> `DetectorResult`.
    """

    KIND = "out_of_distribution"

    @property
    def against(self) -> str:
        """The name of the other images."""
        return self.settings["against"]


class ChecksResult(Result):
    """The sanity checks of one classifier.

    Attributes:
      lines: a `CheckLine` a check.
    """

    KIND = "checks"

    @property
    def eps(self) -> float:
        """The budget of most lines; 0.2 in results of older versions, which do not hold it."""
        return self.content.get("eps", 0.2)

    lines = part(lambda c: tuple(CheckLine(**{k: line[k] for k in CheckLine.__dataclass_fields__}) for line in c))


_KINDS = {of.KIND: of for of in (CleanResult, AttackResult, DetectionResult, OutOfDistributionResult, ChecksResult)}


def _kind(settings: dict) -> str:
    attack = settings["attack"]
    if attack in ATTACKS:
        return "detection" if "detection" in settings else "attack"
    return {"ood": "out_of_distribution"}.get(attack, attack)
