"""Settings as the command line that asks for them: the inverse of read_settings, for what a program prints."""

import os
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.command_line.commands import BY_ATTACK
from deepbayes.experiments.command_line.parser import output_arguments
from deepbayes.experiments.settings.attack_plan import flag
from deepbayes.experiments.settings.run_settings import (
    DetectionSettings,
    OwnDataSettings,
    RunSettings,
    TrainingSettings,
)
from deepbayes.models.registry import papers_classifiers

_WITHOUT_IMAGES = ("rings",)


def arguments(command: str, settings: RunSettings) -> list[str]:
    """The arguments, without those that are the command's defaults (num_images, whose default differs, always)."""
    s, found = settings, [command]

    def add(name: str, *values) -> None:
        texts = [_text(value) for value in values]
        dashed = len(texts) == 1 and texts[0].startswith("-")  # which is not to be read as an option
        found.extend([f"--{flag(name)}={texts[0]}"] if dashed else [f"--{flag(name)}", *texts])

    if s.dataset:
        add("dataset", s.dataset)
    if s.own_data:
        _add_own_data(add, s.own_data)
    if s.classifiers and (s.victim_models or s.classifiers != tuple(papers_classifiers())):
        add("classifiers", *s.classifiers)
    if s.victim_models:
        add("victim_model", *s.victim_models)
    if s.protocol != "corrected":
        add("protocol", s.protocol)
    if s.attack:
        _add_attack(add, command, s)
    if command == "train":
        _add_training(add, s.training)
    elif command not in _WITHOUT_IMAGES:
        add("num_images", s.num_images or "all")
    for name, value in [("batch_size", s.batch_size), *s.classifier_options.items()]:
        if value is not None:
            add(name, value)
    _add_detection(add, s.detection)
    if s.surrogate.seeds_per_class:
        add("seeds_per_class", s.surrogate.seeds_per_class)
    if s.against:
        add("against", *s.against)
    switches = {"detect": s.surrogate.detect, "fresh": s.fresh, "save": s.save}
    for name in (n for n, on in switches.items() if on):
        add(name)
    for name, value in (("data_dir", s.data_dir), ("weights", s.weights), ("seed", s.seed)):
        if value:
            add(name, value)
    return [*found, *output_arguments(s.output)]


def _add_own_data(add, own: OwnDataSettings) -> None:
    add("data", own.source)
    if own.image_size:
        add("image_size", own.image_size)
    if own.colour:
        add(own.colour)
    if own.value_range:
        add("range", *own.value_range)
    if own.group:
        add("group", own.group)
    if own.skip_unreadable:
        add("skip_unreadable")


def _text(value: Any) -> str:
    """Numbers as short as they stay the same; of several values none looks like an option, as -1e-05 and -a would."""
    if isinstance(value, float):
        short = f"{value:g}"
        exact = short if float(short) == value else repr(value)
        return format(Decimal(exact), "f") if value < 0 else exact
    if isinstance(value, Path) and str(value).startswith("-"):
        return f".{os.sep}{value}"
    return str(value)


def _add_attack(add, command: str, settings: RunSettings) -> None:
    attack = settings.attack
    if command in BY_ATTACK:
        add("attack", attack.name)
    if attack.grid:
        add(ATTACKS[attack.name].parameter, *attack.grid)
    for name, value in attack.options.items():
        add(name, value)
    for name in ("targeted", "known_noise", "full_gradient"):
        if getattr(attack, name):
            add(name)


def _add_detection(add, detection: DetectionSettings) -> None:
    usual = DetectionSettings()
    if detection.rate != usual.rate:
        add("fpr", detection.rate)
    if detection.calibration_images != usual.calibration_images:
        add("calibration_images", detection.calibration_images or "all")
    if detection.guard:
        add("guard", detection.guard)


def _add_training(add, training: TrainingSettings) -> None:
    for name, value in training.overrides.items():
        add(name, value)
    names = {"images": "train_images"}
    for field in fields(TrainingSettings):
        value = getattr(training, field.name)
        if field.name != "overrides" and value != field.default:
            add(names.get(field.name, field.name), value)
