"""What a command does, as one frozen object: built once, by the command line, the 2019 command lines or a caller.

It is handed down as it is; nothing below parses arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepbayes.models.registry import papers_classifiers

USUAL_FALSE_RATE = 0.05
"""Share of training images that the paper's thresholds reject, and ours where nobody says."""


@dataclass(frozen=True)
class AttackSettings:
    """An attack as asked for; what is not given here the protocol and the registry say (settings/attack_plan.py).

    Attributes:
      grid: values of its parameter; () is the usual ones.
      options: name -> value or text, of the attack's own options.
    """

    name: str
    grid: tuple[float, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    targeted: bool = False
    known_noise: bool = False
    full_gradient: bool = False


@dataclass(frozen=True)
class DetectionSettings:
    """Thresholds of detectors.

    Attributes:
      rate: share of training images that they reject.
      calibration_images: training images that set them; "auto" is what ships, else a default number; None is all.
      guard: the classifier that looks; "" is the victim itself.
    """

    rate: float = USUAL_FALSE_RATE
    calibration_images: int | str | None = "auto"
    guard: str = ""


@dataclass(frozen=True)
class SurrogateSettings:
    """Surrogate models. seeds_per_class: images that a substitute grows from; None is the protocol's number.

    `detect`: whether the victim's detectors look at the images that come of them.
    """

    seeds_per_class: int | None = None
    detect: bool = False


@dataclass(frozen=True)
class TrainingSettings:
    """How `train` goes about it.

    Attributes:
      overrides: fields of the recipe (models/recipes.py) that are not the recipe's own.
      validate_every: epochs between accuracies. checkpoint_steps: between checkpoints, None for one an epoch.
      images, test_images: how many to train on, and to measure the card on; None is all.
      threads: of TensorFlow; None is all cores.
    """

    overrides: Mapping[str, Any] = field(default_factory=dict)
    validate_every: int = 1
    checkpoint_steps: int | None = None
    images: int | None = None
    test_images: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class OwnDataSettings:
    """A folder or .npz of the user's own images, and how to read it (data/own/options.py says what each means)."""

    source: Path
    image_size: int | None = None
    colour: str | None = None
    value_range: tuple[float, float] | None = None
    group: str | None = None
    skip_unreadable: bool = False


@dataclass(frozen=True)
class RunSettings:
    """Everything that was asked for.

    Attributes:
      dataset: None is MNIST where it is at hand, else the embedded digits.
      own_data: the user's own images, in place of a data set.
      classifiers: names in the registry. victim_models: Keras models of the user's, attacked beside them.
      classifier_options: of those classifiers that have them; None is the data set's own value.
      weights: folder of weights that the user trained; None is those that ship.
      num_images: test images at even distances; None is all.
      batch_size: images at once; None is what suits the command and the memory.
      against: other images that `ood` shows the detectors; () is what is at hand.
      fresh: make again what exists. save: keep adversarial images.
    """

    output: Path
    dataset: str | None = None
    data_dir: Path | None = None
    own_data: OwnDataSettings | None = None
    classifiers: tuple[str, ...] = field(default_factory=lambda: tuple(papers_classifiers()))
    victim_models: tuple[Path, ...] = ()
    classifier_options: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    num_images: int | None = None
    batch_size: int | None = None
    seed: int = 0
    protocol: str = "corrected"
    fresh: bool = False
    save: bool = False
    attack: AttackSettings | None = None
    detection: DetectionSettings = DetectionSettings()
    surrogate: SurrogateSettings = SurrogateSettings()
    training: TrainingSettings = TrainingSettings()
    against: tuple[str, ...] = ()
